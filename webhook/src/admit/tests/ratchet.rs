//! Updates of what was wrong before.

use super::kit::{Cluster, DEPLOYMENT, SERVICE, wrong_port};

#[test]
fn another_name_for_what_was_wrong_before_only_warns() {
    let old = DEPLOYMENT.replace(
        "image: web,",
        "image: web, readinessProbe: {httpGet: {port: htpp}},",
    );
    let renamed = old.replace("{name: web, image", "{name: app, image");
    for cluster in [
        Cluster::of(&[&old]).guarded(),
        Cluster::of(&[&old]).strict(),
    ] {
        cluster.create(&old).denies("PRB001");
        cluster.update(&old, &renamed).warns(&["PRB001"]);
        let sound = old.replace("port: htpp", "port: http");
        cluster.update(&sound, &renamed).denies("PRB001");
    }
    let strict = Cluster::of(&[DEPLOYMENT]).strict();
    let called = wrong_port().replace("name: http,", "name: www,");
    strict.update(&wrong_port(), &called).warns(&["SVC004"]);
    strict.update(SERVICE, &called).denies("SVC004");
}

#[test]
fn what_becomes_worse_is_told() {
    let open = SERVICE.replace("port: 80, targetPort: http", "port: 8080, targetPort: 9999");
    let open = open.replace("port: 8080", "port: 90");
    // The Pods declare 8080, which is a sign that the target is wrong.
    let worse = open.replace("port: 90, targetPort: 9999", "port: 8080, targetPort: 80");
    let guarded = Cluster::of(&[DEPLOYMENT]).guarded();
    guarded.update(&open, &worse).warns(&["SVC006"]);
    guarded.update(&worse, &open).silent();
    let relabelled = worse.replace("targetPort: 80", "targetPort: 81");
    guarded.update(&worse, &relabelled).silent();
    Cluster::of(&[DEPLOYMENT])
        .strict()
        .update(&open, &worse)
        .denies("SVC006");
}
