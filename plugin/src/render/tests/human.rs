use super::super::Style;
use super::fixture::{self, Fixture};
use super::{PLAIN, print};
use crate::cli::values::Format;
use netdoctor_engine::rule::Severity;

fn human(fixture: &Fixture, style: Style) -> String {
    print(fixture, Format::Human, style)
}

#[test]
fn files_show_the_line_the_fact_and_the_fix() {
    insta::assert_snapshot!(human(&fixture::shop(), PLAIN), @r#"
    kubectl netdoctor lint · 2 objects · 4 checks

    info[SVC990]: Service `web` selects by label (deploy/web.yaml:7:3)

    warning[HST904]: hostNetwork pods of Deployment shop/agent keep `dnsPolicy:
                     ClusterFirst`
       ╭▸ deploy/agent.yaml:11:5
       │
    11 │     spec:
       │     ━━━━
       │
       ╰ more: kubectl netdoctor explain HST904
    help: set `ClusterFirstWithHostNet` (safe)
       ╭╴
    13 +       dnsPolicy: ClusterFirstWithHostNet
       ╰╴

    error[SVC904]: no selected pod of Service `shop/web` declares a port named
                   `htpp`
       ╭▸ deploy/web.yaml:12:19
       │
     7 │   selector:
       │   ──────── selects agent
       ┆
    12 │       targetPort: htpp # a typo
       │                   ━━━━ resolves on no pod
       │
       ⸬  deploy/agent.yaml:17:21
       │
    17 │             - name: http
       │                     ──── the port that is declared
       │
       ├ note: every connection to `web.shop:80` is refused, because the Service has
       │       no endpoint for this port and so nothing listens
       ╰ more: kubectl netdoctor explain SVC904
    help: use `http` (needs review)
       ╭╴
    12 -       targetPort: htpp # a typo
    12 +       targetPort: http # a typo
       ╰╴
    help: or name the port of the container `htpp`

    1 error, 1 warning, 1 info · 1 passed
    Next: kubectl netdoctor explain SVC904
    "#);
}

#[test]
fn ascii_fits_sixty_columns_and_broken_input_comes_first() {
    insta::assert_snapshot!(human(&fixture::shop().with_problems(), Style { unicode: false, width: 60, ..PLAIN }), @r#"
    error: deploy/broken.yaml:3:7: mapping values are not
           allowed here
    note: 2 templates were skipped

    kubectl netdoctor lint - 2 objects - 4 checks

    info[SVC990]: Service web selects by label
                  (deploy/web.yaml:7:3)

    warning[HST904]: hostNetwork pods of Deployment shop/agent
                     keep dnsPolicy: ClusterFirst
      --> deploy/agent.yaml:11:5
       |
    11 |     spec:
       |     ^^^^
       |
       = more: kubectl netdoctor explain HST904
    help: set ClusterFirstWithHostNet (safe)
       |
    13 +       dnsPolicy: ClusterFirstWithHostNet
       |

    error[SVC904]: no selected pod of Service shop/web declares
                   a port named htpp
      --> deploy/web.yaml:12:19
       |
     7 |   selector:
       |   -------- selects agent
    ...
    12 |       targetPort: htpp # a typo
       |                   ^^^^ resolves on no pod
       |
      ::: deploy/agent.yaml:17:21
       |
    17 |             - name: http
       |                     ---- the port that is declared
       |
       = note: every connection to web.shop:80 is refused,
               because the Service has no endpoint for this port
               and so nothing listens
       = more: kubectl netdoctor explain SVC904
    help: use http (needs review)
       |
    12 -       targetPort: htpp # a typo
    12 +       targetPort: http # a typo
       |
    help: or name the port of the container htpp

    1 error, 1 warning, 1 info - 1 passed
    Exit code 3: the input could not be read to the end.
    Next: kubectl netdoctor explain SVC904
    "#);
}

#[test]
fn a60_clusters_show_areas_causes_and_what_is_open() {
    insta::assert_snapshot!(human(&fixture::cluster(), PLAIN), @r#"
    kubectl netdoctor · context kind-dev · namespace shop · 8 objects · 8 checks

    ✘ nodes         1 error
    ✘ dns           5 explained
    ! host network  1 warning
    ✔ probes        1 passed
    ✘ services      1 error, 1 info
    ○ policies      1 unknown
    ○ gateway       1 skipped

    ○ not checked
      unknown  cannot list networkpolicies.networking.k8s.io: forbidden (try:
               kubectl auth can-i list networkpolicies.networking.k8s.io -A) [POL901
               for Service shop/web]
      skipped  not installed: gateways.gateway.networking.k8s.io [GWY901]

    info[SVC990]: Service `web` selects by label (service/web)

    warning[HST904]: hostNetwork pods of Deployment shop/agent keep `dnsPolicy:
                     ClusterFirst`
     ╭▸ deployment/agent  spec.template.spec.dnsPolicy
     ├ help: set `ClusterFirstWithHostNet` (safe)
     │       kubectl -n shop patch deployment agent --type=json -p '[{"op":"test","path":"/spec/template/spec/hostNetwork","value":true},{"op":"add","path":"/spec/template/spec/dnsPolicy","value":"ClusterFirstWithHostNet"}]'
     ╰ more: kubectl netdoctor explain HST904

    error[SVC904]: no selected pod of Service `shop/web` declares a port named
                   `htpp`
     ╭▸ service/web  spec.ports[0].targetPort: resolves on no pod
     ├ note: spec.selector: selects agent
     ├ note: deployment/agent: the port that is declared
     ├ note: every connection to `web.shop:80` is refused, because the Service has
     │       no endpoint for this port and so nothing listens
     ├ help: use `http` (needs review)
     │       kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/targetPort","value":"htpp"},{"op":"replace","path":"/spec/ports/0/targetPort","value":"http"}]'
     ├ help: or name the port of the container `htpp`
     ╰ more: kubectl netdoctor explain SVC904

    error[NOD901]: node `n1` is not ready
     ╭▸ node/n1  status.conditions[0]: Ready is False: KubeletNotReady
     ├ note: the kubelet posted its last heartbeat 4 minutes ago
     ├ explains: pods cannot resolve names (DNS904 ×5): pod/cart-1, pod/cart-2,
     │           pod/cart-3 and 2 more
     ├ help: look at the node's kubelet
     │       kubectl describe node/n1
     ╰ more: kubectl netdoctor explain NOD901

    2 errors, 1 warning, 1 info · 5 explained by them · 1 passed · 1 unknown (cannot
    list networkpolicies.networking.k8s.io: forbidden) · 1 skipped (not installed:
    gateways.gateway.networking.k8s.io)
    Next: kubectl netdoctor explain NOD901
    "#);
}

#[test]
fn a63_all_well_is_one_line() {
    let hidden = fixture::files(&[("web.yaml", &fixture::SERVICE.replace("htpp", "http"))]);
    let hidden = hidden.with(|spec| spec.min_severity = Severity::Warning);
    insta::assert_snapshot!(human(&hidden, PLAIN), @"✔ No problems found in 4 checks · 1 below warning");
    let nothing = fixture::files(&[]);
    insta::assert_snapshot!(human(&nothing, PLAIN), @"○ Nothing to check: no object that a check reads");
}

#[test]
fn a57_what_is_allowed_is_counted() {
    insta::assert_snapshot!(human(&fixture::allowed(), PLAIN), @r"
    warning: --allow SVC904: there is no such rule

    info[SVC990]: Service `web` selects by label (deploy/web.yaml:7:3)

    ✔ No problems found in 4 checks · 1 info · 1 allowed
    ");
    let told = human(
        &fixture::allowed(),
        Style {
            verbose: true,
            width: 200,
            ..PLAIN
        },
    );
    assert!(told.contains("(by flag: legacy <client> & co)"), "{told}");
}

#[test]
fn an_exit_code_that_surprises_is_explained() {
    let never = human(&fixture::shop().with(|spec| spec.fail_on = None), PLAIN);
    assert!(
        never.contains("\nExit code 0, whatever is found (--fail-on never).\n"),
        "{never}"
    );
    let calm = fixture::files(&[("agent.yaml", fixture::WORKLOAD)]);
    let below = human(&calm, PLAIN);
    assert!(
        below.contains("\nExit code 0: nothing at or above error (--fail-on).\n"),
        "{below}"
    );
    let strict = human(
        &fixture::cluster_of(&[]).with(|spec| spec.strict = true),
        PLAIN,
    );
    assert!(!strict.contains("Exit code"), "{strict}");
}

#[test]
fn a31_colour_is_all_that_colour_adds() {
    for fixture in [fixture::shop().with_problems(), fixture::cluster()] {
        let colored = human(
            &fixture,
            Style {
                color: true,
                ..PLAIN
            },
        );
        assert!(colored.contains("\x1b["));
        assert_eq!(
            anstream::adapter::strip_str(&colored).to_string(),
            human(&fixture, PLAIN)
        );
    }
}

#[test]
fn a64_ascii_and_narrow() {
    for width in [40, 60, 80, 120] {
        for fixture in [fixture::shop().with_problems(), fixture::cluster()] {
            let text = human(
                &fixture,
                Style {
                    unicode: false,
                    width,
                    ..PLAIN
                },
            );
            assert!(text.is_ascii(), "{text}");
            for line in text.lines().filter(|line| line.len() > width) {
                // Source lines, commands and words that cannot be broken.
                let longest = line.split(' ').map(str::len).max().unwrap_or_default();
                assert!(
                    line.contains(" | ")
                        || line.contains(" + ")
                        || line.contains(" - ")
                        || line.contains("kubectl")
                        || longest + 12 > width,
                    "{width}: {line}"
                );
            }
        }
    }
}

#[test]
fn the_duration_is_for_people_only() {
    let reading_along = Style {
        is_terminal: true,
        ..PLAIN
    };
    assert!(human(&fixture::shop(), reading_along).contains(" · 1.2s"));
    assert!(!human(&fixture::shop(), PLAIN).contains("1.2s"));
}

#[test]
fn symptoms_stand_below_their_cause_whatever_is_hidden() {
    let quiet = fixture::cluster().with(|spec| spec.min_severity = Severity::Warning);
    let text = human(&quiet, PLAIN);
    assert!(
        !text.contains("error[DNS904]") && text.contains("(DNS904 ×5)"),
        "{text}"
    );
    assert!(!text.contains("SVC990"), "{text}");
}

#[test]
fn words_that_do_not_fit_beside_the_line_become_notes() {
    let on_a_screen = Style {
        is_terminal: true,
        width: 44,
        ..PLAIN
    };
    let text = human(&fixture::shop(), on_a_screen);
    assert!(
        text.contains("note: spec.template.spec.containers[0]"),
        "{text}"
    );
    assert!(!text.contains("──── the port"), "{text}");
    assert!(human(&fixture::shop(), PLAIN).contains("──── the port that is declared"));
}

#[test]
fn a_minified_file_is_shown_in_part_and_fixed_by_patch() {
    let mut service = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}});
    service["spec"] =
        serde_json::json!({"ports": [{"port": 80, "targetPort": "htpp"}], "x": "y".repeat(500)});
    let text = human(
        &fixture::files(&[("min.json", &service.to_string())]),
        PLAIN,
    );
    assert!(
        text.lines().all(|line| line.chars().count() < 250),
        "{text}"
    );
    assert!(
        text.contains(r#"{"op":"replace","path":"/spec/ports/0/targetPort","value":"http"}"#),
        "{text}"
    );
}
