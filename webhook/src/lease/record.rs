//! The Lease in the cluster.

use super::{Election, Move, Record};
use crate::clock::{Clock, Reading};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use std::time::Duration;

/// Why nothing is known about the Lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The API server's answer.
    #[error("the Lease {0}: {1}")]
    Api(String, #[source] kube::Error),
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
        let found = self.api.get_opt(&self.name).await;
        let lease = found.map_err(|error| self.error(error))?;
        let record = lease.as_ref().map(record_of);
        let written = match self.election.decide(record.as_ref(), clock.reading()) {
            Move::Follow => return Ok(()),
            Move::Create => {
                let lease = self.write(Lease::default(), clock.now(), true);
                self.api.create(&PostParams::default(), &lease).await
            }
            taken @ (Move::Take | Move::Renew) => {
                let taken = taken == Move::Take;
                let lease = self.write(lease.unwrap_or_default(), clock.now(), taken);
                let params = PostParams::default();
                self.api.replace(&self.name, &params, &lease).await
            }
        };
        match written {
            Ok(_) => {
                self.election.holds(asked);
                Ok(())
            }
            // 409 for both: it exists by now, or it has changed.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.election.lost();
                Ok(())
            }
            Err(error) => Err(self.error(error)),
        }
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
        let found = self.api.get_opt(&self.name).await;
        let Some(mut lease) = found.map_err(|error| self.error(error))? else {
            return Ok(());
        };
        if record_of(&lease).holder != self.election.identity() {
            return Ok(());
        }
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(MicroTime(clock.now()));
        let params = PostParams::default();
        match self.api.replace(&self.name, &params, &lease).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }

    fn write(&self, lease: Lease, now: Timestamp, taken: bool) -> Lease {
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

    fn error(&self, error: kube::Error) -> LeaseError {
        LeaseError::Api(self.name.clone(), error)
    }
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
