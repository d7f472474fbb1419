//! Lists that come in pages.

use std::sync::OnceLock;

use netdoctor_tests::cmd::netdoctor;
use netdoctor_tests::{ApiServer, Fault, FaultProxy, Rule, Spec};
use serde_json::{Value, json};

use super::{ALL, SHOP, check, codes, gap, pages};

/// A server with more pods than fit in a page, and a defect in the last one.
fn crowd() -> Option<&'static ApiServer> {
    static SERVER: OnceLock<Option<ApiServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let server = ApiServer::start(&Spec::default())?;
        let namespace = server.namespace_called("crowd").to_string();
        let pod = |number: usize| {
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": format!("pod-{number:05}"), "labels": {"app": "crowd"}},
                "spec": {"nodeName": "node-1", "containers": [{"name": "a", "image": "a"}]},
            })
        };
        let pods: Vec<Value> = (0..CROWD).map(pod).collect();
        server
            .rest()
            .post_all(&format!("/api/v1/namespaces/{namespace}/pods"), &pods);
        server.namespace_called("shop").apply_status(SHOP);
        Some(server)
    });
    server.as_ref()
}

const CROWD: usize = 10_000;
/// Pages of 500, and the last one with the pod of the shop.
const PAGES: usize = CROWD / 500 + 1;

#[test]
fn ten_thousand_objects_arrive_in_pages_and_none_is_lost() {
    let Some(server) = crowd() else { return };
    let proxy = FaultProxy::start(server);
    let output = check(&proxy, &[]).exits(1);
    let report = output.json();
    assert_eq!(codes(&report), ALL, "{}", report["findings"]);
    assert_eq!(pages(&proxy), PAGES);
    assert!(
        report["summary"]["objects"].as_u64().unwrap() > CROWD as u64,
        "{}",
        report["summary"]
    );
    for request in proxy
        .requests()
        .iter()
        .filter(|request| request.path == "/api/v1/pods")
    {
        assert!(request.query.starts_with("limit=500"), "{request:?}");
    }

    let file = server.folder().join("crowd.json.gz");
    netdoctor()
        .kubeconfig(proxy.kubeconfig("shop"))
        .args(["bundle", "save", "-A"])
        .args([&file])
        .run()
        .ok();
    let shown = netdoctor()
        .args(["bundle", "show"])
        .args([&file])
        .run()
        .ok();
    let pods = shown.stdout.lines().find(|line| line.starts_with("pods "));
    assert!(
        pods.unwrap().contains(&(CROWD + 1).to_string()),
        "{}",
        shown.stdout
    );
}

#[test]
fn a_list_that_expires_begins_again_and_is_whole() {
    let Some(server) = crowd() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(
        Rule::new(Fault::expired())
            .resource("pods")
            .query("continue=")
            .skip(1)
            .times(1),
    );
    let report = check(&proxy, &[]).exits(1).json();
    assert_eq!(codes(&report), ALL, "{}", report["findings"]);
    // Two pages, the refusal, and then all of them.
    assert_eq!(pages(&proxy), 3 + PAGES);

    proxy.reset();
    proxy.add(
        Rule::new(Fault::expired())
            .resource("pods")
            .query("continue="),
    );
    gap(&check(&proxy, &[]).exits(1), "410");
}

#[test]
fn a_page_that_breaks_off_takes_nobody_for_missing() {
    let Some(server) = crowd() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(
        Rule::new(Fault::Cut { after: 100_000 })
            .resource("pods")
            .query("continue=")
            .skip(2),
    );
    gap(&check(&proxy, &[]).exits(1), "cut off");
}
