//! The configuration in its `ConfigMap`: good, broken, good again, gone.

use netdoctor_manifests::names;
use netdoctor_tests::webhook::account;
use netdoctor_tests::{ApiServer, Spec};
use netdoctor_webhook::configmap::{Configuration, Place, State};
use netdoctor_webhook::metrics::Metrics;
use netdoctor_webhook::policy::Profile;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_configuration_is_read_again_and_a_broken_one_changes_nothing() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    account::install(&server);
    let kubeconfig = account::kubeconfig(&server, names::WEBHOOK);
    let metrics = Arc::new(Metrics::new());
    let configuration = Arc::new(Configuration::new(Arc::clone(&metrics)));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let kept = Arc::clone(&configuration);
    runtime.spawn(async move {
        let place = Place {
            namespace: names::NAMESPACE.to_owned(),
            name: names::CONFIG_MAP.to_owned(),
        };
        kept.keep(netdoctor_tests::client(&kubeconfig).await, &place)
            .await;
    });
    let until = |what: &str, is: &dyn Fn(&State) -> bool| {
        let start = Instant::now();
        while !is(&configuration.state()) {
            let state = configuration.state();
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "waited for {what}: {state:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let valid = || {
        let text = metrics.render(jiff::Timestamp::now());
        text.contains("netdoctor_config_valid 1")
    };

    until("an answer", &|state| *state == State::Absent);
    assert_eq!(configuration.policy().profile, Profile::Advisory);
    server.apply(&account::configuration("profile: strict"));
    until("the configuration", &|state| *state == State::InUse);
    assert_eq!(configuration.policy().profile, Profile::Strict);

    server.apply(&account::configuration("profile: strict\nrulez: {}"));
    until(
        "the mistake",
        &|state| matches!(state, State::Broken { message, .. } if message.contains("rulez")),
    );
    assert_eq!(configuration.policy().profile, Profile::Strict);
    assert!(!valid());

    server.apply(&account::configuration("profile: guarded"));
    until("the correction", &|state| *state == State::InUse);
    assert_eq!(configuration.policy().profile, Profile::Guarded);
    assert!(valid());

    server
        .kubectl(&[
            "delete",
            "configmap",
            names::CONFIG_MAP,
            "-n",
            names::NAMESPACE,
        ])
        .ok();
    until("the deletion", &|state| *state == State::Absent);
    assert_eq!(configuration.policy().profile, Profile::Advisory);
}
