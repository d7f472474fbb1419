//! Settings that are readable one by one, and do not fit together.

use super::{Cli, Serve};
use clap::{CommandFactory as _, error::ErrorKind};
use std::time::Duration;

/// Settings that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(String);

impl Contradiction {
    /// As clap says it, with usage and exit code.
    pub(super) fn into_clap(self) -> clap::Error {
        Cli::command().error(ErrorKind::ValueValidation, self.0)
    }
}

impl Serve {
    /// Checks that settings fit together.
    ///
    /// # Errors
    /// The first that do not.
    pub fn check(&self) -> Result<(), Contradiction> {
        let (tls, bounds) = (&self.tls, &self.bounds);
        let (port, process) = (self.network.port, &self.process);
        let day = Duration::from_hours(24);
        let refuse = |wrong: bool, text: &str| {
            if wrong {
                Err(Contradiction(text.to_owned()))
            } else {
                Ok(())
            }
        };
        refuse(
            tls.certificate_poll.is_zero() || tls.certificate_poll > Duration::from_mins(5),
            "--certificate-poll is between 1ns and 5m: certificates are renewed by wall clock, which has to be looked at",
        )?;
        refuse(
            tls.propagation_time < tls.certificate_poll * 2,
            "--propagation-time is at least twice --certificate-poll: every replica has to look in between",
        )?;
        refuse(
            tls.propagation_time > tls.ca_life / 6,
            "--propagation-time is at most a sixth of --ca-life: a rotation has to end before the next is due",
        )?;
        refuse(
            tls.ca_life > day * 36_500 || tls.leaf_life > tls.ca_life,
            "--ca-life is at most 100 years, and --leaf-life at most --ca-life",
        )?;
        refuse(
            tls.leaf_life < tls.certificate_poll * 6,
            "--leaf-life is at least six times --certificate-poll",
        )?;
        refuse(
            bounds.max_body > bounds.max_body_memory,
            "--max-body-memory is at least --max-body",
        )?;
        refuse(
            bounds.validate_timeout.is_zero() || bounds.mutate_timeout.is_zero(),
            "a timeout of 0 would let every review through unjudged",
        )?;
        refuse(
            port != 0 && [process.health_port, process.metrics_port].contains(&port),
            "--port is neither --health-port nor --metrics-port: it speaks TLS, and they do not",
        )
    }
}
