use super::file::{line, parse};
use super::*;
use crate::spec::{HostName, Spec};
use crate::witness::{COLUMNS, Expected, Grid};

/// A file that is right, to be made wrong.
fn text() -> String {
    let names = ["node-1", "node-2", "node-3"].map(str::to_owned);
    let table: Expected = Grid::from_fn(&names, |_, _| "*".parse().unwrap());
    format!(
        r#"summary = "Nothing at all"
imitates = "A lab as it should be."
stories = ["K3S"]
node = 2
peer = 1
labs = {{ overlay = "vxlan" }}

[[inject]]
on = "node"
run = "true"

[[settle]]
kubectl = ["get", "node", "${{NODE}}"]
within = 5

[[heal]]
on = "node"
run = "true"

[expect]
table = """
{table}"""

[[expect.probe]]
name = "the outside"
from = "client peer"
run = "tcp $INTERNET_IP:80"
expect = "+"

[check]
headline = "none"
reason = "Nothing is wrong."
"#
    )
}

fn error(text: &str) -> String {
    let mistake = parse("overlay", "nothing".to_owned(), text).unwrap_err();
    format!("{}: {}", line(text, mistake.at), mistake.message)
}

#[track_caller]
fn error_with(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "{from}");
    error(&text.replacen(from, to, 1))
}

#[test]
fn a_file_is_read() {
    let fault = parse("overlay", "nothing".to_owned(), &text()).unwrap();
    assert_eq!(fault.id(), "overlay/nothing");
    assert_eq!((fault.node, fault.peer), (Some(2), Some(1)));
    assert_eq!(
        fault.inject[0].action,
        Action::Run(On::Node, "true".to_owned())
    );
    assert_eq!(fault.settle[0].within.as_secs(), 5);
    assert_eq!(fault.probes[0].tries, 1);
    assert!(fault.labs.fit(&Spec::default()));
    assert_eq!(fault.labs.to_string(), "--overlay vxlan");
}

#[test]
fn mistakes_name_their_line() {
    assert_eq!(
        error_with("[[heal]]\n", "[[heal]]\nhow = \"gently\"\n"),
        "17: unknown field `how`, expected one of `on`, `run`, `kubectl`, `apply`, `delete`, `stop`, `start`, `restart`, `expire`, `renew`, `lay`, `within`"
    );
    assert_eq!(
        error_with("on = \"node\"", "on = \"nod\""),
        "8: `nod` is nowhere: there are node, peer, nodes, others, control-plane, switch, internet, node-1 and so on"
    );
    assert_eq!(
        error_with("run = \"true\"", "run = \"true\"\nstop = \"kubelet\""),
        "8: a step has one of run, kubectl, apply, delete, stop, start, restart, expire, renew, lay"
    );
    assert_eq!(
        error_with("on = \"node\"\n", ""),
        "8: `on` says where, and is missing"
    );
    assert_eq!(
        error_with("${NODE}", "${NODES_IP}"),
        "12: there is no variable `${NODES_IP}` in this fault"
    );
    assert_eq!(
        error_with("peer = 1", "peer = 2"),
        "5: a fault with a peer also has a node, and another one"
    );
    assert_eq!(
        error_with("peer = 1\n", "").as_str(),
        "1: probe `the outside` stands on a peer, and this fault has none"
    );
    assert_eq!(
        error_with("\"vxlan\"", "\"ipip\""),
        "6: `ipip` is not an overlay; there is vxlan host-gw "
    );
    assert_eq!(
        error_with("expect = \"+\"", "expect = \"y\""),
        "28: `y` is no sign; there are + x r u s > and ."
    );
    assert_eq!(
        error_with("reason = \"Nothing is wrong.\"", ""),
        "34: `headline = \"none\"` needs a `reason`"
    );
    assert_eq!(
        error_with("\"none\"", "\"DNS\""),
        "34: `reason` says why there is no headline, and there is one"
    );
    assert_eq!(
        error_with("[\"K3S\"]", "[\"K9S\"]"),
        "1: there is no story `K9S`; there are K3D, K3S, LES, MK8, GDE"
    );
}

#[test]
fn mistakes_in_the_table_name_line_row_and_column() {
    let text = text();
    let row = text
        .lines()
        .find(|line| line.starts_with("node-2"))
        .unwrap();
    assert_eq!(
        error(&text.replace(row, &row.replacen('*', "%", 1))),
        "24: row node-2, column S: `%` is no sign; there are + x r u s > and ."
    );
    assert_eq!(
        error(&text.replace(row, "node-2 +")),
        format!("24: row node-2 has 1 cells, not {}", COLUMNS.len())
    );
    assert!(error(&text.replace(row, "")).contains("the rows are"));
}

/// Every file of the catalogue can be read, has a name of its own, and its targets are nodes of a lab of three.
#[test]
fn the_catalogue_is_sound() {
    let faults = catalogue().unwrap();
    let mut names: Vec<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "two faults have one name");
    for fault in &faults {
        let targets = [fault.node, fault.peer].into_iter().flatten();
        for node in targets {
            assert!((1..=3).contains(&node), "{}", fault.id());
        }
        assert!(
            fault.summary.len() < 100,
            "{}: a summary is one line",
            fault.id()
        );
        assert_eq!(find(&fault.name).unwrap().id(), fault.id());
    }
}

#[test]
fn an_unknown_fault_is_refused_and_near_ones_are_named() {
    let error = |name: &str| find(name).unwrap_err().to_string();
    assert_eq!(
        error("qqq"),
        "there is no fault `qqq`; `cargo xtask lab faults` lists them"
    );
    let near = "did you mean overlay/tunnel-dropped or ";
    assert!(
        error("tunel-droped").contains(near),
        "{}",
        error("tunel-droped")
    );
    assert!(error("dropped-inb").contains("overlay/tunnel-dropped-inbound"));
}

#[test]
fn places_of_probes_are_read() {
    use super::probe::From;
    assert_eq!(
        "client node-3".parse(),
        Ok(From::Client(On::Host(HostName::Node(3))))
    );
    assert_eq!("pod web".parse(), Ok(From::Pod("web".to_owned())));
    assert_eq!(
        "internet".parse(),
        Ok(From::Host(On::Host(HostName::Internet)))
    );
    assert!("client internet".parse::<From>().is_err());
    assert!("nodes".parse::<From>().is_err());
}

fn judge(headline: &str, symptoms: &str, findings: &str) -> Result<(), String> {
    let text = text().replace(
        "headline = \"none\"\nreason = \"Nothing is wrong.\"",
        &format!("{headline}\nsymptoms = [{symptoms}]"),
    );
    let fault = parse("overlay", "nothing".to_owned(), &text).map_err(|mistake| mistake.message)?;
    let report = format!("{{\"findings\": [{findings}]}}");
    fault
        .check
        .judge(&report)
        .map_err(|error| error.to_string())
}

#[test]
fn the_verdict_on_a_report_of_check() {
    const CODE: &str = "headline = \"DNS002\"";
    const NONE: &str = "headline = \"none\"\nreason = \"x\"";
    let dns = r#"{"code": "DNS002", "severity": "error", "message": "m"}"#;
    let info = r#"{"code": "SVC001", "severity": "info", "message": "m"}"#;
    let own = r#"{"code": "SVC002", "severity": "warning", "message": "m"}"#;
    let below = r#"{"code": "SVC003", "severity": "error", "message": "m", "explainedBy": "f"}"#;
    let list = |findings: &[&str]| findings.join(",");

    assert_eq!(judge(CODE, "", &list(&[dns, info, below])), Ok(()));
    assert_eq!(judge(CODE, "\"SVC002\"", &list(&[dns, own])), Ok(()));
    assert_eq!(judge(NONE, "", info), Ok(()));
    assert_eq!(judge(NONE, "\"SVC002\"", own), Ok(()));
    assert_eq!(
        judge(CODE, "", ""),
        Err("check has to put DNS002 first and puts nothing".to_owned())
    );
    assert_eq!(
        judge(CODE, "", &list(&[own, dns])),
        Err("check has to put DNS002 first and puts SVC002\n  SVC002: m\n  DNS002: m".to_owned())
    );
    assert_eq!(
        judge(CODE, "", &list(&[dns, own])),
        Err("check also reports SVC002:\n  DNS002: m\n  SVC002: m".to_owned())
    );
    assert_eq!(
        judge(NONE, "", below),
        Err("check also reports SVC003:\n  SVC003: m".to_owned())
    );
    assert_eq!(
        judge("headline = \"dns2\"", "", ""),
        Err("`dns2` is no code of a rule".to_owned())
    );
    assert_eq!(
        judge("headline = \"DNS002\"\nlater = \"soon\"", "", ""),
        Err("`later` is minutes, hours or days, \"2 hours\" for instance, not `soon`".to_owned())
    );
}
