//! How a rollout replaces pods that hold something of their node.

use crate::{
    finding::Fix,
    model::{Controller, IntOrString, Kind, Object as _, Round},
};
use serde_json::json;

/// `maxSurge` and `maxUnavailable` as counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) surge: i32,
    pub(super) unavailable: i32,
}

impl Steps {
    /// New pods come first, and no old one may go before they are ready.
    pub(super) fn adds_first(self) -> bool {
        self.surge > 0 && self.unavailable == 0
    }
}

/// The steps of a rolling update, as the Deployment and `DaemonSet` controllers resolve them (`ResolveFenceposts`: surge
/// rounds up, unavailable rounds down, and both zero means one unavailable). `None` for other strategies and kinds, and
/// for values that are no count.
pub(super) fn steps(controller: &Controller, replicas: i32) -> Option<Steps> {
    let strategy = &controller.strategy;
    if !matches!(strategy.kind.as_deref(), None | Some("" | "RollingUpdate")) {
        return None;
    }
    let (surge, unavailable) = match controller.kind() {
        Kind::Deployment => (quarter(), quarter()),
        Kind::DaemonSet => (IntOrString::Int(0), IntOrString::Int(1)),
        _ => return None,
    };
    let surge = strategy.max_surge.as_ref().unwrap_or(&surge);
    // With a surge given, a DaemonSet's other default would contradict it and is not used.
    let unavailable = match &strategy.max_unavailable {
        Some(given) => given.clone(),
        None if controller.kind() == Kind::DaemonSet && surge.scaled(100, Round::Up)? > 0 => {
            IntOrString::Int(0)
        }
        None => unavailable,
    };
    let surge = surge.scaled(replicas, Round::Up)?;
    let unavailable = unavailable.scaled(replicas, Round::Down)?;
    Some(Steps {
        surge,
        unavailable: if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        },
    })
}

fn quarter() -> IntOrString {
    IntOrString::Text("25%".into())
}

/// Where a kind keeps its strategy.
pub(super) fn strategy_pointer(kind: Kind) -> &'static str {
    if kind == Kind::Deployment {
        "/spec/strategy"
    } else {
        "/spec/updateStrategy"
    }
}

/// Adds the operations that make a rollout stop an old pod before it starts a new one.
pub(super) fn stop_first(fix: Fix, controller: &Controller) -> Fix {
    let at = strategy_pointer(controller.kind());
    let rolling = json!({"maxSurge": 0, "maxUnavailable": 1});
    if !controller.strategy.present {
        return fix.add(
            at,
            json!({"type": "RollingUpdate", "rollingUpdate": rolling}),
        );
    }
    let fix = match controller.strategy.kind.as_deref() {
        Some(kind) => fix.test(&format!("{at}/type"), kind),
        None => fix,
    };
    fix.add(&format!("{at}/rollingUpdate"), rolling)
}

#[cfg(test)]
mod tests {
    use super::{Steps, steps};
    use crate::model::{Controller, IntOrString, Kind, Strategy};

    fn resolve(
        kind: Kind,
        surge: Option<&str>,
        unavailable: Option<&str>,
        replicas: i32,
    ) -> Option<Steps> {
        let value = |text: &str| {
            text.parse()
                .map_or_else(|_| IntOrString::Text(text.into()), IntOrString::Int)
        };
        let strategy = Strategy {
            max_surge: surge.map(value),
            max_unavailable: unavailable.map(value),
            ..Strategy::default()
        };
        let controller = Controller {
            kind: Some(kind),
            strategy,
            ..Controller::default()
        };
        steps(&controller, replicas)
    }

    #[test]
    fn the_defaults_add_first_for_up_to_three_replicas() {
        for replicas in 1..=3 {
            assert!(
                resolve(Kind::Deployment, None, None, replicas)
                    .unwrap()
                    .adds_first()
            );
        }
        assert!(
            !resolve(Kind::Deployment, None, None, 4)
                .unwrap()
                .adds_first()
        );
        assert!(
            !resolve(Kind::DaemonSet, None, None, 3)
                .unwrap()
                .adds_first()
        );
    }

    #[test]
    fn two_zeros_mean_one_unavailable() {
        let both = resolve(Kind::Deployment, Some("0"), Some("0"), 3).unwrap();
        assert_eq!((both.surge, both.unavailable), (0, 1));
        assert!(
            !resolve(Kind::Deployment, Some("0"), Some("10%"), 3)
                .unwrap()
                .adds_first()
        );
    }

    #[test]
    fn percentages_round_apart_and_nonsense_gives_no_answer() {
        let third = resolve(Kind::Deployment, Some("34%"), Some("34%"), 2).unwrap();
        assert_eq!((third.surge, third.unavailable), (1, 0));
        assert_eq!(resolve(Kind::Deployment, Some("many"), None, 2), None);
        assert_eq!(resolve(Kind::StatefulSet, None, None, 2), None);
        assert!(resolve(Kind::DaemonSet, Some("10%"), None, 0).is_some());
        assert!(
            resolve(Kind::DaemonSet, Some("1"), None, 3)
                .unwrap()
                .adds_first()
        );
    }
}
