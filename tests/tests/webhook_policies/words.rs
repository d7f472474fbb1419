//! Whether a policy says what its rule says.

use netdoctor_engine::finding::Finding;

/// The policy says the fact in the words of the rule, and its first remedy unless that needs more than the object.
pub(crate) fn same(text: &str, finding: &Finding) -> bool {
    let code = finding.rule.code;
    let Some((fact, fix)) = text
        .strip_prefix(&format!("{code}: "))
        .and_then(|rest| rest.split_once(". Fix: "))
    else {
        return false;
    };
    let plain = |text: &str| text.replace('`', "");
    let guesses = matches!(code, "PRB001" | "SVC018" | "SVC019");
    let message = plain(&finding.message);
    let fact_differs = match code {
        // The name that does not resolve may stand in a ConfigMap.
        "HST004" => !fact.contains("shares the node's network and uses the node's resolver"),
        // CEL lists a port as often as it is declared.
        "HST002" => once_each(fact) != message,
        _ => fact != message,
    };
    let title = finding
        .fixes
        .first()
        .map(|fix| plain(&fix.title))
        .unwrap_or_default();
    !fact_differs && (guesses || fix.trim_end_matches('.') == title)
}

/// `only host port 80/TCP, 80/TCP keeps` with each port once.
fn once_each(fact: &str) -> String {
    let Some((ports, rest)) = fact
        .strip_prefix("only host port ")
        .and_then(|rest| rest.split_once(" keeps "))
    else {
        return fact.to_owned();
    };
    let mut seen = Vec::new();
    for port in ports.split(", ") {
        if !seen.contains(&port) {
            seen.push(port);
        }
    }
    format!("only host port {} keeps {rest}", seen.join(", "))
}
