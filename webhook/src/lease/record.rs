//! The Lease in the cluster.

use super::{Election, Move, Record};
use crate::{
    clock::{Clock, Reading},
    patience::{self, Silence},
};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use std::{future::Future, time::Duration};

/// Why nothing is known about the Lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The API server's answer.
    #[error("the Lease {0}: {1}")]
    Api(String, #[source] Box<kube::Error>),
    /// It did not answer in time.
    #[error("the Lease {0}: {1}")]
    Silence(String, #[source] Silence),
}

/// Takes part in an election by way of one Lease.
pub struct Leases {
    api: Api<Lease>,
    name: String,
    election: Election,
}

impl Leases {
    /// Stands for election.
    pub fn new(api: Api<Lease>, name: String, election: Election) -> Self {
        Self {
            api,
            name,
            election,
        }
    }

    /// Whether this replica may write.
    pub fn leads(&self, now: Reading) -> bool {
        self.election.leads(now)
    }

    /// Creates, takes or renews the Lease, if it is ours to do so. An error leaves us leading for as long as what we
    /// last wrote holds.
    ///
    /// # Errors
    /// When the API server could not be asked, or refused. That somebody else was faster is no error.
    pub async fn stand(&mut self, clock: &Clock) -> Result<(), LeaseError> {
        let asked = clock.reading();
        let lease = self.read().await?;
        let record = lease.as_ref().map(record_of);
        let params = PostParams::default();
        let written = match self.election.decide(record.as_ref(), clock.reading()) {
            Move::Follow => return Ok(()),
            Move::Create => {
                let lease = self.ours(Lease::default(), clock.now(), true);
                self.settle(self.api.create(&params, &lease)).await?
            }
            taken @ (Move::Take | Move::Renew) => {
                let taken = taken == Move::Take;
                let lease = self.ours(lease.unwrap_or_default(), clock.now(), taken);
                let replaced = self.api.replace(&self.name, &params, &lease);
                self.settle(replaced).await?
            }
        };
        match written {
            Written::Ours => self.election.holds(asked),
            Written::Theirs => self.election.lost(),
        }
        Ok(())
    }

    /// Gives the Lease up, so that the next one need not wait for it to end.
    ///
    /// # Errors
    /// When the API server could not be asked, or refused.
    pub async fn release(&mut self, clock: &Clock) -> Result<(), LeaseError> {
        if !self.leads(clock.reading()) {
            return Ok(());
        }
        self.election.lost();
        let Some(mut lease) = self.read().await? else {
            return Ok(());
        };
        if record_of(&lease).holder != self.election.identity() {
            return Ok(());
        }
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(MicroTime(clock.now()));
        let params = PostParams::default();
        let replaced = self.api.replace(&self.name, &params, &lease);
        self.settle(replaced).await.map(drop)
    }

    async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        match patience::answer(self.api.get_opt(&self.name)).await {
            Ok(found) => found.map_err(|error| self.refused(error)),
            Err(silence) => Err(LeaseError::Silence(self.name.clone(), silence)),
        }
    }

    /// What became of a write.
    async fn settle(
        &self,
        writing: impl Future<Output = kube::Result<Lease>>,
    ) -> Result<Written, LeaseError> {
        match patience::answer(writing).await {
            Ok(Ok(_)) => Ok(Written::Ours),
            // 409 for both: it exists by now, or it has changed.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Written::Theirs),
            Ok(Err(error)) => Err(self.refused(error)),
            Err(silence) => Err(LeaseError::Silence(self.name.clone(), silence)),
        }
    }

    fn ours(&self, lease: Lease, now: Timestamp, taken: bool) -> Lease {
        let before = lease.spec.unwrap_or_default();
        let changed = before.holder_identity.as_deref() != Some(self.election.identity());
        let transitions = before.lease_transitions.unwrap_or(0);
        let exists = lease.metadata.resource_version.is_some();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..lease.metadata
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.election.identity().to_owned()),
                lease_duration_seconds: i32::try_from(self.election.duration().as_secs()).ok(),
                acquire_time: if taken {
                    Some(MicroTime(now))
                } else {
                    before.acquire_time
                },
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(transitions.saturating_add(i32::from(changed && exists))),
                ..LeaseSpec::default()
            }),
        }
    }

    fn refused(&self, error: kube::Error) -> LeaseError {
        LeaseError::Api(self.name.clone(), Box::new(error))
    }
}

/// Whose write it was that counts.
enum Written {
    Ours,
    Theirs,
}

fn record_of(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
