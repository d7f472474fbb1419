//! Ranges of addresses with holes.

use ipnet::IpNet;

/// Whether `range` and `other` share an address that lies in none of the `holes`.
pub(crate) fn overlap(range: IpNet, holes: &[IpNet], other: IpNet) -> bool {
    // Of two ranges that share an address one contains the other.
    let common = if range.contains(&other) {
        other
    } else if other.contains(&range) {
        range
    } else {
        return false;
    };
    !covered(common, holes)
}

/// Whether every address of `range` lies in a hole. Splits only where a hole lies inside, so the work is bounded by the
/// number of holes times the length of an address.
fn covered(range: IpNet, holes: &[IpNet]) -> bool {
    if holes.iter().any(|hole| hole.contains(&range)) {
        return true;
    }
    let inside: Vec<IpNet> = holes
        .iter()
        .copied()
        .filter(|hole| range.contains(hole))
        .collect();
    if inside.is_empty() {
        return false;
    }
    let Ok(mut halves) = range.subnets(range.prefix_len() + 1) else {
        return false;
    };
    halves.all(|half| covered(half, &inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn holes_count_alone_and_together() {
        let all = net("0.0.0.0/0");
        assert!(overlap(all, &[], net("10.0.0.0/8")));
        assert!(!overlap(all, &[net("10.0.0.0/8")], net("10.96.0.0/12")));
        assert!(overlap(all, &[net("10.96.0.0/12")], net("10.0.0.0/8")));
        assert!(!overlap(
            all,
            &[net("10.0.0.0/9"), net("10.128.0.0/9")],
            net("10.0.0.0/8")
        ));
        assert!(overlap(
            all,
            &[net("10.0.0.0/9"), net("10.128.0.0/10")],
            net("10.0.0.0/8")
        ));
    }

    #[test]
    fn families_never_meet_and_small_ranges_lie_in_large_ones() {
        assert!(!overlap(net("::/0"), &[], net("10.0.0.0/8")));
        assert!(overlap(net("10.1.2.3/32"), &[], net("10.0.0.0/8")));
        assert!(!overlap(net("8.8.8.8/32"), &[], net("10.0.0.0/8")));
        assert!(overlap(net("::/0"), &[net("fd00::/9")], net("fd00::/8")));
    }
}
