use super::*;

fn settings(line: &str, environment: &Environment) -> Settings {
    let argv = std::iter::once("netdoctor")
        .chain(line.split_whitespace())
        .map(Into::into);
    Settings::new(&crate::cli::parse(argv).unwrap().command, environment)
}

#[test]
fn a31_colour_truth_table() {
    let no_color = [None, Some(""), Some("1")];
    let force = [None, Some("0"), Some("1")];
    for terminal in [false, true] {
        for dumb in [false, true] {
            for no_color in no_color {
                for force in force {
                    let mut variables = vec![
                        ("WT_SESSION", "x"),
                        ("TERM", if dumb { "dumb" } else { "xterm" }),
                    ];
                    variables.extend(no_color.map(|value| ("NO_COLOR", value)));
                    variables.extend(force.map(|value| ("CLICOLOR_FORCE", value)));
                    let environment = Environment::fake(&variables, terminal);
                    let auto = no_color.is_none() && (force == Some("1") || terminal && !dumb);
                    for (flag, expected) in [
                        ("", auto),
                        ("--color=auto", auto),
                        ("--color=always", true),
                        ("--color=never", false),
                    ] {
                        let settings = settings(flag, &environment);
                        assert_eq!(
                            settings.stdout.color, expected,
                            "{flag} {variables:?} {terminal}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_flag_wins_over_a_variable() {
    let environment = Environment::fake(
        &[
            ("NETDOCTOR_COLOR", "always"),
            ("NETDOCTOR_CONFIG", "env.yaml"),
        ],
        false,
    );
    assert!(settings("", &environment).stdout.color);
    assert!(!settings("--color never", &environment).stdout.color);
    assert_eq!(settings("", &environment).config, Some("env.yaml".into()));
    assert_eq!(
        settings("--config flag.yaml", &environment).config,
        Some("flag.yaml".into())
    );
    assert!(
        !settings(
            "",
            &Environment::fake(&[("NETDOCTOR_COLOR", "blue")], false)
        )
        .stdout
        .color
    );
}

#[test]
fn a64_symbols_follow_the_locale() {
    for (variables, expected) in [
        (&[][..], false),
        (&[("LANG", "C")], false),
        (&[("LANG", "de_DE.UTF-8")], true),
        (&[("LANG", "de_DE.utf8")], true),
        (&[("LANG", "C.UTF-8"), ("LC_ALL", "C")], false),
        (&[("LANG", "C"), ("LC_CTYPE", "en_US.UTF-8")], true),
        (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "")], true),
    ] {
        if cfg!(not(windows)) {
            assert_eq!(
                settings("", &Environment::fake(variables, true)).unicode,
                expected,
                "{variables:?}"
            );
        }
    }
}

#[test]
fn a33_progress_needs_a_terminal_outside_ci() {
    assert!(settings("", &Environment::fake(&[], true)).progress);
    assert!(!settings("", &Environment::fake(&[], false)).progress);
    assert!(!settings("", &Environment::fake(&[("CI", "")], true)).progress);
    assert!(!settings("-q", &Environment::fake(&[], true)).progress);
}

#[test]
fn kubeconfig_files() {
    let mut environment = Environment::fake(&[("HOME", "/home/me")], false);
    let connection = |line: &str, environment: &Environment| settings(line, environment).connection;
    assert_eq!(
        connection("", &environment).kubeconfig,
        [PathBuf::from("/home/me/.kube/config")]
    );
    environment.kubeconfig = vec!["a".into(), "b".into()];
    let from_variable = connection("", &environment);
    assert_eq!(from_variable.kubeconfig, [PathBuf::from("a"), "b".into()]);
    assert!(!from_variable.kubeconfig_is_explicit);
    let explicit = connection("--kubeconfig c", &environment);
    assert_eq!(explicit.kubeconfig, [PathBuf::from("c")]);
    assert!(explicit.kubeconfig_is_explicit);
    assert!(!connection("--kubeconfig=", &environment).kubeconfig_is_explicit);
    assert!(
        connection("", &Environment::fake(&[], false))
            .kubeconfig
            .is_empty()
    );
}

#[test]
fn proxies_upper_case_first() {
    let environment = Environment::fake(
        &[
            ("HTTPS_PROXY", "upper"),
            ("https_proxy", "lower"),
            ("http_proxy", "plain"),
            ("no_proxy", "x"),
        ],
        false,
    );
    let proxy = settings("", &environment).connection.proxy;
    assert_eq!(
        (proxy.https.as_deref(), proxy.http.as_deref()),
        (Some("upper"), Some("plain"))
    );
    assert_eq!(proxy.no_proxy, "x");
}

#[test]
fn zero_request_timeout_is_none() {
    let environment = Environment::fake(&[], false);
    assert_eq!(
        settings("--request-timeout 0", &environment)
            .connection
            .request_timeout,
        None
    );
    let five = settings("--request-timeout 5", &environment)
        .connection
        .request_timeout;
    assert_eq!(five, Some(Duration::from_secs(5)));
}
