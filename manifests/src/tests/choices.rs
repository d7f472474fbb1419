//! What can be chosen, and what cannot.

use super::*;

#[test]
fn deletions_and_scaling_are_sent_where_somebody_asks() {
    let rules = |components: &[Component]| {
        let options = Options {
            components: components.iter().copied().collect(),
            custom_workloads: vec!["rollouts.v1alpha1.argoproj.io".parse().unwrap()],
            ..Options::default()
        };
        webhook(&options)["rules"].as_array().unwrap().clone()
    };
    let operations = |rule: &Value| serde_json::to_string(&rule["operations"]).unwrap();
    let base = rules(&[]);
    for rule in &base {
        assert_eq!(operations(rule), r#"["CREATE","UPDATE"]"#);
        assert!(!rule["resources"].to_string().contains('/'), "{rule}");
    }
    let deletions = rules(&[Component::Deletions]);
    assert_eq!(deletions.len(), base.len());
    for rule in &deletions {
        assert_eq!(
            operations(rule),
            r#"["CREATE","UPDATE","DELETE"]"#,
            "{rule}"
        );
    }
    let both = rules(&[Component::Deletions, Component::Scale]);
    assert_eq!(both[..base.len()], deletions[..]);
    let scale = both.last().unwrap();
    assert_eq!(
        operations(scale),
        r#"["UPDATE"]"#,
        "a Scale is never deleted"
    );
    assert_eq!(
        scale["resources"],
        serde_json::json!(["deployments/scale", "statefulsets/scale"])
    );
    // Nothing else of the installation changes: the configuration keeps its profile.
    for component in [Component::Deletions, Component::Scale] {
        let mut plain = render(&Options::default());
        let mut more = render(&with(component));
        for objects in [&mut plain, &mut more] {
            objects.retain(|object| text(object, "/kind") != "ValidatingWebhookConfiguration");
        }
        assert_eq!(plain, more);
    }
}

#[test]
fn what_would_be_an_outage_is_refused() {
    let refused = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err()
    };
    assert_eq!(Options::default().check(), Ok(()));
    assert_eq!(
        refused(|options| options.replicas = 0),
        OptionsError::NoReplica
    );
    assert_eq!(
        refused(|options| {
            options.replicas = 1;
            options.failure_policy = FailurePolicy::Fail;
        }),
        OptionsError::FailNeedsReplicas
    );
    assert!(matches!(
        refused(|options| options.namespace = "kube-system".into()),
        OptionsError::SystemNamespace(_)
    ));
    assert!(matches!(
        refused(|options| options.namespace = "Not a name".into()),
        OptionsError::Namespace(_)
    ));
    assert!(matches!(
        refused(|options| options.port = 443),
        OptionsError::Port(..)
    ));
    assert!(matches!(
        refused(|options| options.port = 8080),
        OptionsError::Port(..)
    ));
    assert_eq!(
        refused(|options| {
            options.components = [Component::FailClosed, Component::SingleReplica].into();
        }),
        OptionsError::FailNeedsReplicas
    );
    assert_eq!(
        refused(|options| {
            options.components = [Component::FailClosed, Component::Deletions].into();
        }),
        OptionsError::FailOfWarnings("deletions")
    );
    assert!(matches!(
        refused(|options| {
            options.components = [Component::HostNetwork].into();
            options.port = 9444;
        }),
        OptionsError::Port(..)
    ));
}
