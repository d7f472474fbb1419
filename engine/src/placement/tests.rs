use super::*;
use crate::{
    model::{Node, PodSpec},
    snapshot::Source,
    testkit::{clock, read},
};

fn node(yaml: &str) -> Node {
    let text = format!("apiVersion: v1\nkind: Node\n{yaml}");
    let (snapshot, _) = read(&text, Source::Cluster, |_| {});
    snapshot.objects.nodes.at(0).unwrap().clone()
}

fn spec(json: &str) -> PodSpec {
    serde_json::from_str(json).unwrap()
}

fn fit(spec: &PodSpec, node: &Node) -> Fit {
    placed(spec, false).fits_now(node)
}

fn placed(spec: &PodSpec, daemon: bool) -> Placement<'_> {
    Placement {
        spec,
        node_name: spec.node_name.as_deref(),
        daemon,
    }
}

#[test]
fn selector_and_affinity_must_both_hold_and_terms_are_alternatives() {
    let ssd = node("metadata: {name: a, labels: {disk: ssd, zone: z1}}");
    let both = |selector: &str, terms: &str| {
        spec(&format!(
            r#"{{"nodeSelector":{selector},"affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":
                {{"nodeSelectorTerms":[{terms}]}}}}}}}}"#
        ))
    };
    let z1 = r#"{"matchExpressions":[{"key":"zone","operator":"In","values":["z1"]}]}"#;
    let z2 = r#"{"matchExpressions":[{"key":"zone","operator":"In","values":["z2"]}]}"#;
    assert_eq!(fit(&both(r#"{"disk":"ssd"}"#, z1), &ssd), Fit::Yes);
    assert_eq!(fit(&both(r#"{"disk":"hdd"}"#, z1), &ssd), Fit::No);
    assert_eq!(fit(&both("{}", z2), &ssd), Fit::No);
    assert_eq!(fit(&both("{}", &format!("{z2},{z1}")), &ssd), Fit::Yes);
    assert_eq!(
        fit(&both("{}", "{}"), &ssd),
        Fit::No,
        "an empty term matches nothing"
    );
    let odd = r#"{"matchExpressions":[{"key":"zone","operator":"Like","values":["z1"]}]}"#;
    assert_eq!(fit(&both("{}", odd), &ssd), Fit::Unsure);
    let field = r#"{"matchFields":[{"key":"metadata.name","operator":"In","values":["b"]}]}"#;
    assert_eq!(fit(&both("{}", field), &ssd), Fit::No);
}

#[test]
fn taints_must_be_tolerated_by_key_value_and_effect() {
    let tainted =
        node("metadata: {name: a}\nspec: {taints: [{key: gpu, value: 'yes', effect: NoSchedule}]}");
    let with = |toleration: &str| {
        fit(
            &spec(&format!(r#"{{"tolerations":[{toleration}]}}"#)),
            &tainted,
        )
    };
    assert_eq!(with(""), Fit::No);
    assert_eq!(with(r#"{"operator":"Exists"}"#), Fit::Yes);
    assert_eq!(with(r#"{"key":"gpu","value":"yes"}"#), Fit::Yes);
    assert_eq!(with(r#"{"key":"gpu","value":"no"}"#), Fit::No);
    assert_eq!(
        with(r#"{"key":"gpu","operator":"Exists","effect":"NoExecute"}"#),
        Fit::No
    );
    assert_eq!(
        with(r#"{"key":"gpu","operator":"Gt","value":"1"}"#),
        Fit::Unsure
    );
    let soft = node("metadata: {name: a}\nspec: {taints: [{key: gpu, effect: PreferNoSchedule}]}");
    assert_eq!(fit(&spec("{}"), &soft), Fit::Yes);
}

#[test]
fn daemon_pods_run_on_cordoned_and_unready_nodes_and_others_do_not() {
    let cordoned = node("metadata: {name: a}\nspec: {unschedulable: true}");
    let down = node(
        "metadata: {name: a}\nspec: {taints: [{key: node.kubernetes.io/not-ready, effect: NoExecute}]}\nstatus: {conditions: [{type: Ready, status: 'False'}]}",
    );
    let plain = spec("{}");
    for node in [&cordoned, &down] {
        assert_eq!(placed(&plain, false).fits_now(node), Fit::No);
        assert_eq!(placed(&plain, true).fits_now(node), Fit::Yes);
    }
    let no_network = node(
        "metadata: {name: a}\nspec: {taints: [{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]}",
    );
    assert_eq!(placed(&plain, true).fits(&no_network), Fit::No);
    assert_eq!(
        placed(&spec(r#"{"hostNetwork":true}"#), true).fits(&no_network),
        Fit::Yes
    );
}

#[test]
fn a_pod_with_a_node_name_never_meets_the_scheduler() {
    let named = spec(r#"{"nodeName":"a"}"#);
    let busy = node(
        "metadata: {name: a}\nspec: {unschedulable: true, taints: [{key: x, effect: NoSchedule}]}",
    );
    assert_eq!(fit(&named, &busy), Fit::Yes);
    assert_eq!(fit(&named, &node("metadata: {name: b}")), Fit::No);
    let evicting = node("metadata: {name: a}\nspec: {taints: [{key: x, effect: NoExecute}]}");
    assert_eq!(fit(&named, &evicting), Fit::No, "the kubelet refuses it");
    assert_eq!(placed(&named, false).pin(), Some(Pin::NodeName("a")));
}

#[test]
fn words_alone_tell_covering_and_contradicting_placements() {
    let any = spec("{}");
    let linux = spec(r#"{"nodeSelector":{"kubernetes.io/os":"linux"}}"#);
    let windows = spec(r#"{"nodeSelector":{"kubernetes.io/os":"windows"}}"#);
    let control =
        spec(r#"{"nodeSelector":{"cp":""},"tolerations":[{"key":"cp","operator":"Exists"}]}"#);
    let everywhere = spec(r#"{"tolerations":[{"operator":"Exists"}]}"#);
    let test = |a: &PodSpec, b: &PodSpec| {
        (
            covers(placed(a, true), placed(b, true)),
            apart(placed(a, true), placed(b, true)),
        )
    };
    assert_eq!(test(&any, &linux), (true, false));
    assert_eq!(test(&linux, &any), (false, false));
    assert_eq!(test(&linux, &windows), (false, true));
    assert_eq!(
        test(&any, &control),
        (false, false),
        "a taint may keep the first away"
    );
    assert_eq!(test(&everywhere, &control), (true, false));
    let not_linux = spec(
        r#"{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
            {"matchExpressions":[{"key":"kubernetes.io/os","operator":"NotIn","values":["linux"]}]}]}}}}"#,
    );
    assert_eq!(test(&linux, &not_linux), (false, true));
}

#[test]
fn nodes_that_could_not_be_listed_or_stated_are_not_guessed() {
    const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop}
spec: {containers: [{name: c, image: c}]}
";
    let most = |source, nodes: Option<usize>, forbidden: bool| {
        let (snapshot, _) = read(POD, source, |builder| {
            builder.state(crate::facts::StatedFacts {
                nodes,
                ..Default::default()
            });
            if forbidden {
                crate::testkit::forbid(builder, Kind::Node);
            }
        });
        let config = crate::config::Config::default();
        let cx = Context::new(
            &snapshot,
            &config,
            clock(),
            crate::rule::Surface::Check,
            crate::context::Change::default(),
        );
        let pod = snapshot.objects.pods.at(0).unwrap();
        room(&cx, Workload::Pod(pod)).map(|room| room.most())
    };
    assert!(
        most(Source::Files, None, false)
            .unwrap_err()
            .contains("facts file")
    );
    assert_eq!(most(Source::Files, Some(3), false), Ok(3));
    assert_eq!(most(Source::Cluster, None, false), Ok(0));
    assert!(
        most(Source::Cluster, None, true)
            .unwrap_err()
            .contains("nodes")
    );
}
