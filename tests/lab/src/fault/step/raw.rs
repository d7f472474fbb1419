//! A step as it stands in a file.

use std::time::Duration;

use serde::Deserialize;

use super::{Action, On, Step};
use crate::fault::certificate::CERTIFICATES;
use crate::fault::variables;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::fault) struct Raw {
    on: Option<String>,
    run: Option<String>,
    kubectl: Option<Vec<String>>,
    apply: Option<String>,
    delete: Option<String>,
    stop: Option<String>,
    start: Option<String>,
    restart: Option<String>,
    expire: Option<String>,
    renew: Option<String>,
    lay: Option<String>,
    /// Seconds.
    within: Option<u64>,
}

const ONE_ACTION: &str =
    "a step has one of run, kubectl, apply, delete, stop, start, restart, expire, renew, lay";

/// What can be stopped, on one host or another.
const COMPONENTS: &[&str] = &[
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "dns",
    "web",
];

/// An action that takes a place and a text.
type OnHost = fn(On, String) -> Action;

impl Raw {
    /// The step, in a fault that is about a node, and about a peer, or not.
    pub(in crate::fault) fn read(self, node: bool, peer: bool) -> Result<Step, String> {
        let on = self.on.as_deref().map(str::parse::<On>).transpose()?;
        match on {
            Some(On::Node | On::Others) if !node => {
                return Err("this fault has no `node`".to_owned());
            }
            Some(On::Peer) if !peer => return Err("this fault has no `peer`".to_owned()),
            _ => {}
        }
        self.check_names()?;
        let words = self.kubectl.iter().flatten();
        for text in words.chain(&self.apply).chain(&self.delete) {
            variables::known(text, node, peer)?;
        }
        Ok(Step {
            within: Duration::from_secs(self.within.unwrap_or(0)),
            action: self.action(on)?,
        })
    }

    /// Fails on components and certificates that there are not.
    fn check_names(&self) -> Result<(), String> {
        for (text, known) in [
            (&self.stop, COMPONENTS),
            (&self.start, COMPONENTS),
            (&self.restart, COMPONENTS),
            (&self.expire, &CERTIFICATES),
            (&self.renew, &CERTIFICATES),
            (&self.lay, &["overlay"]),
        ] {
            let Some(text) = text else { continue };
            if !known.contains(&text.as_str()) {
                return Err(format!(
                    "there is no `{text}`; there are {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }

    fn action(self, on: Option<On>) -> Result<Action, String> {
        let here: [(Option<String>, OnHost); 7] = [
            (self.run, Action::Run),
            (self.stop, Action::Stop),
            (self.start, Action::Start),
            (self.restart, Action::Restart),
            (self.expire, Action::Expire),
            (self.renew, Action::Renew),
            (self.lay, Action::Lay),
        ];
        let mut here = here
            .into_iter()
            .filter_map(|(text, action)| Some((text?, action)));
        let through_the_api = [
            self.kubectl.map(Action::Kubectl),
            self.apply.map(Action::Apply),
            self.delete.map(Action::Delete),
        ];
        let mut through_the_api = through_the_api.into_iter().flatten();
        let action = match (on, here.next(), through_the_api.next()) {
            (Some(on), Some((text, action)), None) => action(on, text),
            (None, None, Some(action)) => action,
            (None, Some(_), None) => return Err("`on` says where, and is missing".to_owned()),
            (Some(_), None, Some(_)) => {
                return Err("`on` means nothing for kubectl, apply and delete".to_owned());
            }
            _ => return Err(ONE_ACTION.to_owned()),
        };
        if here.next().is_some() || through_the_api.next().is_some() {
            return Err(ONE_ACTION.to_owned());
        }
        Ok(action)
    }
}
