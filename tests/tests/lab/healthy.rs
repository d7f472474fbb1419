//! A lab to which nothing was done.

use std::time::Duration;

use anyhow::Result;
use netdoctor_lab::Lab;
use netdoctor_lab::fault::{Headline, Verdict};
use netdoctor_lab::witness::Witness;

use crate::trial::{described, verdict};

/// Everything works, over IPv6 too where there is IPv6.
pub(crate) fn table(lab: &Lab) -> Result<()> {
    let measured = Witness::deploy(lab)?.expect_healthy(Duration::from_secs(10))?;
    anyhow::ensure!(
        measured.tables.v6.is_some() == lab.spec().dual_stack,
        "there is one table per family"
    );
    described("healthy", None, &measured)
}

/// `check` has nothing to say above info.
pub(crate) fn check(lab: &Lab) -> Result<()> {
    verdict(
        lab,
        &Verdict {
            headline: Headline::None("nothing is wrong".to_owned()),
            symptoms: Vec::new(),
            later: None,
            logs: false,
        },
    )
}
