//! The configuration in its `ConfigMap`, read again whenever it changes.
//!
//! | the `ConfigMap` | the policy |
//! |---|---|
//! | is there and can be read | what it says |
//! | cannot be parsed, or lacks the key | the last good one, and everybody is told: metric, log, Event by the auditor |
//! | is not there | the default: nothing is refused |
//! | has not been read yet | the default, or what it was while nobody could ask |
//!
//! The account of the server may write nothing, so that the Event about a broken configuration comes from the auditor,
//! which reads the same object.

use crate::{metrics::Metrics, policy::Policy};
use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    runtime::{WatchStreamExt as _, watcher},
};
use std::{pin::pin, sync::Arc};
use tokio::sync::watch;

/// The key that holds the configuration.
pub const KEY: &str = "netdoctor.yaml";

/// Which `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How the configuration that is written down relates to the one in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Nobody has been able to read it yet.
    #[default]
    Unread,
    /// There is none: the default is in use.
    Absent,
    /// It is in use.
    InUse,
    /// It cannot be used; the last good one stays.
    Broken {
        /// What is wrong with it, with its place.
        message: String,
        /// UID of the `ConfigMap`, for an Event.
        uid: String,
    },
}

/// The policy in use.
#[derive(Debug)]
pub struct Configuration {
    policy: Arc<ArcSwap<Policy>>,
    state: ArcSwap<State>,
    changes: watch::Sender<u64>,
    metrics: Arc<Metrics>,
}

impl Configuration {
    /// The default, until [`Configuration::keep`] has read another.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            policy: Arc::default(),
            state: ArcSwap::default(),
            changes: watch::Sender::new(0),
            metrics,
        }
    }

    /// The policy in use.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// The place where the policy in use always is.
    pub fn shared(&self) -> Arc<ArcSwap<Policy>> {
        Arc::clone(&self.policy)
    }

    /// How it relates to what is written down.
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Counts changes of policy or state.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until it has been read for the first time, or is known to be absent.
    pub async fn read_once(&self) {
        let mut changes = self.changes();
        while *self.state() == State::Unread {
            // The sender lives as long as this value.
            let _ = changes.changed().await;
        }
    }

    /// Follows a `ConfigMap` for as long as the future is polled.
    pub async fn keep(&self, client: kube::Client, place: &Place) {
        let maps: Api<ConfigMap> = Api::namespaced(client, &place.namespace);
        // It ends never, but whoever pauses it must not make this loop spin.
        loop {
            let stream = watcher::watch_object(maps.clone(), &place.name).default_backoff();
            let mut stream = pin!(stream);
            while let Some(next) = stream.next().await {
                match next {
                    Ok(map) => self.found(map.as_ref(), place),
                    Err(error) => tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the configuration could not be read; what is in use stays"
                    ),
                }
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// Takes in what is written down now.
    pub fn found(&self, map: Option<&ConfigMap>, place: &Place) {
        let Some(map) = map else {
            return self.absent(place);
        };
        let text = map.data.as_ref().and_then(|data| data.get(KEY));
        let parsed = match text {
            Some(text) => Policy::parse(text).map_err(|error| error.to_string()),
            None => Err(format!("it has no key `{KEY}`")),
        };
        match parsed {
            Ok(policy) => {
                for problem in policy.problems(jiff::Timestamp::now()) {
                    tracing::warn!(problem, "the configuration is in use, but odd");
                }
                tracing::info!(profile = policy.profile.as_str(), "configuration in use");
                self.policy.store(Arc::new(policy));
                self.metrics.configuration_loaded();
                self.set(State::InUse);
            }
            Err(message) => {
                let (namespace, name) = (&place.namespace, &place.name);
                tracing::error!(
                    namespace,
                    name,
                    problem = message,
                    "the configuration cannot be used; the last good one stays"
                );
                self.metrics.configuration_refused();
                let uid = map.metadata.uid.clone().unwrap_or_default();
                self.set(State::Broken { message, uid });
            }
        }
    }

    fn absent(&self, place: &Place) {
        if *self.state() == State::Absent {
            return;
        }
        let (namespace, name) = (&place.namespace, &place.name);
        tracing::warn!(
            namespace,
            name,
            "there is no configuration: nothing is refused"
        );
        self.policy.store(Arc::default());
        self.metrics.configuration_loaded();
        self.set(State::Absent);
    }

    fn set(&self, state: State) {
        self.state.store(Arc::new(state));
        self.changes.send_modify(|number| *number += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Profile;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn map(key: &str, text: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                uid: Some("u".to_owned()),
                ..ObjectMeta::default()
            },
            data: Some([(key.to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        }
    }

    fn place() -> Place {
        Place {
            namespace: "netdoctor-system".to_owned(),
            name: "netdoctor-config".to_owned(),
        }
    }

    fn valid(metrics: &Metrics) -> bool {
        let text = metrics.render(jiff::Timestamp::now());
        text.contains("netdoctor_config_valid 1")
    }

    #[test]
    fn a_broken_configuration_keeps_the_last_good_one_and_says_so() {
        let metrics = Arc::new(Metrics::new());
        let configuration = Configuration::new(Arc::clone(&metrics));
        assert_eq!(*configuration.state(), State::Unread);
        assert_eq!(configuration.policy().profile, Profile::Advisory);

        configuration.found(Some(&map(KEY, "profile: strict")), &place());
        assert_eq!(*configuration.state(), State::InUse);
        assert_eq!(configuration.policy().profile, Profile::Strict);
        assert!(valid(&metrics));

        for (broken, says) in [
            (map(KEY, "profile: [strict"), "line 1"),
            (map(KEY, "profile: severe"), "severe"),
            (map("other.yaml", "profile: guarded"), KEY),
        ] {
            configuration.found(Some(&broken), &place());
            let state = configuration.state();
            let State::Broken { message, uid } = &*state else {
                panic!("{state:?}")
            };
            assert!(message.contains(says), "{message}");
            assert_eq!(uid, "u");
            assert_eq!(configuration.policy().profile, Profile::Strict);
            assert!(!valid(&metrics));
        }

        configuration.found(Some(&map(KEY, "profile: guarded")), &place());
        assert_eq!(configuration.policy().profile, Profile::Guarded);
        assert!(valid(&metrics));
    }

    #[test]
    fn without_a_configuration_nothing_is_refused() {
        let configuration = Configuration::new(Arc::new(Metrics::new()));
        configuration.found(Some(&map(KEY, "profile: strict")), &place());
        configuration.found(None, &place());
        assert_eq!(*configuration.state(), State::Absent);
        assert_eq!(configuration.policy().profile, Profile::Advisory);
        configuration.found(Some(&map(KEY, "")), &place());
        assert_eq!(
            *configuration.state(),
            State::InUse,
            "empty is a configuration"
        );
    }
}
