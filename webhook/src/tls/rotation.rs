//! What to do next about the authority: a pure function of what is there and of the time.
//!
//! ```text
//!  nothing usable --Replace--> [A]
//!  [A] --Begin--> [B next, A] --Publish--> bundle [B, A] --Confirm--> wait --Promote--> [B, A previous] --Forget--> [B]
//! ```
//!
//! Between `Confirm` and `Promote` lies the propagation time: by its end every API server trusts B, so no leaf that B signs
//! is ever refused, and A stays trusted until the last leaf that it signed has ended. Each step is written down before the
//! next, and each is found again from what is written down, so it does not matter who takes it, or how often the one who
//! does is replaced.
//!
//! The clock is the API server's where it is known: it is the one that checks our certificates. It may still jump. A jump
//! forwards makes an authority expire: the next one is used as soon as it is published, since waiting would spare nobody.
//! A jump backwards makes an authority lie in the future, which is the same; and a `published` in the future is no
//! reason to wait for it, so the propagation time begins anew.

use super::CertificateFacts;
use jiff::{SignedDuration, Timestamp};

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Life of an authority; renewed after two thirds of it.
    pub authority: SignedDuration,
    /// Life of a leaf; renewed after two thirds of it.
    pub leaf: SignedDuration,
    /// Longer than API servers take to learn of a changed configuration.
    pub propagation: SignedDuration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            authority: SignedDuration::from_hours(365 * 24),
            leaf: SignedDuration::from_hours(90 * 24),
            propagation: SignedDuration::from_mins(5),
        }
    }
}

/// What is there.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The authority that signs.
    pub current: Option<&'a CertificateFacts>,
    /// The one to come.
    pub next: Option<&'a CertificateFacts>,
    /// When the first of those before ends.
    pub previous_end: Option<Timestamp>,
    /// Since when callers have trusted the next one.
    pub published: Option<Timestamp>,
    /// Whether somebody asked for a rotation that has not begun.
    pub requested: bool,
    /// Whether the configurations trust what they should.
    pub bundle: Bundle,
}

/// What the existing configurations trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundle {
    /// What they should. Also when there is no configuration: then nobody calls.
    Right,
    /// Something else.
    Wrong,
}

/// Why a rotation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Two thirds of the authority's life are over.
    Due,
    /// The authority is not valid now.
    Invalid,
    /// Somebody asked for it.
    Requested,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make an authority and use it at once: there is none.
    Replace,
    /// Make the next authority.
    Begin(Why),
    /// Write the bundle into the configurations.
    Publish,
    /// Write down that the configurations have been seen to trust the next authority.
    Confirm,
    /// Use the next authority.
    Promote,
    /// Drop authorities that have ended.
    Forget,
    /// Nothing, until then at the latest.
    Wait(Timestamp),
}

/// The next step.
pub fn next_step(seen: &Seen<'_>, now: Timestamp, timing: &Timing) -> Step {
    let Some(current) = seen.current else {
        // A next authority may be trusted already, which a new one is not.
        let usable = seen.next.is_some_and(|next| next.is_valid(now));
        return if usable { Step::Promote } else { Step::Replace };
    };
    if seen.previous_end.is_some_and(|end| end < now) {
        return Step::Forget;
    }
    if seen.bundle == Bundle::Wrong {
        return Step::Publish;
    }
    match seen.next {
        None => begin(seen, current, now),
        Some(next) if next.not_after < now => Step::Begin(Why::Due),
        Some(next) => follow(seen, current, next, now, timing),
    }
}

fn begin(seen: &Seen<'_>, current: &CertificateFacts, now: Timestamp) -> Step {
    let renewal = current.renewal();
    if seen.requested {
        Step::Begin(Why::Requested)
    } else if !current.is_valid(now) {
        Step::Begin(Why::Invalid)
    } else if now >= renewal {
        Step::Begin(Why::Due)
    } else {
        Step::Wait(seen.previous_end.map_or(renewal, |end| end.min(renewal)))
    }
}

fn follow(
    seen: &Seen<'_>,
    current: &CertificateFacts,
    next: &CertificateFacts,
    now: Timestamp,
    timing: &Timing,
) -> Step {
    let Some(published) = seen.published.filter(|published| *published <= now) else {
        return Step::Confirm;
    };
    let ripe = published
        .saturating_add(timing.propagation)
        .unwrap_or(Timestamp::MAX);
    if !next.is_valid(now) {
        Step::Wait(next.not_before)
    } else if now >= ripe || !current.is_valid(now) {
        Step::Promote
    } else {
        Step::Wait(ripe)
    }
}

/// The leaf that a replica answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The leaf itself.
    pub facts: CertificateFacts,
    /// The authority that signed it.
    pub authority: CertificateFacts,
}

/// So many looks lie between an authority that nobody announced and the first leaf that it signs.
const LOOKS: u32 = 2;

/// What a replica has seen of authorities to come.
///
/// One that signs without ever having been the next one is in a Secret that was lost and made anew, or restored: callers
/// do not trust it yet. As long as the leaf before is valid, it is answered with for two more looks, in which whoever
/// leads tells the callers.
#[derive(Debug, Clone, Default)]
pub struct Surprise {
    looks: u32,
    announced: Option<CertificateFacts>,
    /// Who came unannounced, and at which look.
    seen: Option<(CertificateFacts, u32)>,
}

impl Surprise {
    /// Another look begins.
    pub fn look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
    }

    /// Whether a replica stays with its leaf for now, although `current` has not signed it.
    pub fn waits(
        &mut self,
        leaf: Option<&Leaf>,
        current: &CertificateFacts,
        next: Option<&CertificateFacts>,
        now: Timestamp,
    ) -> bool {
        if let Some(next) = next {
            self.announced = Some(next.clone());
        }
        let Some(leaf) = leaf.filter(|leaf| leaf.facts.is_valid(now)) else {
            return false;
        };
        if leaf.authority == *current || self.announced.as_ref() == Some(current) {
            self.seen = None;
            return false;
        }
        let since = match &self.seen {
            Some((seen, since)) if seen == current => *since,
            _ => {
                self.seen = Some((current.clone(), self.looks));
                self.looks
            }
        };
        self.looks.wrapping_sub(since) < LOOKS
    }
}

/// Whether a replica needs a new leaf from `authority`, the current one.
pub fn leaf_is_due(
    leaf: Option<&Leaf>,
    authority: &CertificateFacts,
    now: Timestamp,
    timing: &Timing,
) -> bool {
    let Some(leaf) = leaf else {
        return true;
    };
    if leaf.authority != *authority {
        // An authority that is not valid now gives no better leaf than one that is.
        return authority.is_valid(now) || !leaf.facts.is_valid(now);
    }
    if !leaf.facts.is_valid(now) {
        return authority.is_valid(now);
    }
    // Near the end of the authority a new leaf would end when this one does.
    let end = super::authority::leaf_end(authority, now, timing.leaf);
    now >= leaf.facts.renewal() && end > leaf.facts.not_after
}

#[cfg(test)]
mod tests;
