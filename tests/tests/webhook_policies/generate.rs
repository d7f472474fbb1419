//! Objects that try every corner that the policies look at.

use serde_json::{Value, json};

/// A small generator with a seed: the same objects in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// An object of a kind that policies judge.
pub(crate) fn object(random: &mut Random, number: usize) -> Value {
    let name = format!("o-{number}");
    match random.below(12) {
        0 => service(random, &name),
        1 => headless(random, &name),
        2 => network_policy(random, &name),
        3 => autoscaler(random, &name),
        4 => named("v1", "Pod", &name, &pod_spec(random)),
        5 => cron_job(random, &name),
        6 => daemon_set(random, &name),
        _ => deployment(random, &name),
    }
}

/// The same kind and name with another specification, or with a part of it changed.
pub(crate) fn changed(random: &mut Random, old: &Value) -> Value {
    let name = old["metadata"]["name"].as_str().unwrap().to_owned();
    match old["kind"].as_str().unwrap() {
        "Service" if old["spec"]["type"] == "ExternalName" => service(random, &name),
        "Service" => headless(random, &name),
        "NetworkPolicy" => network_policy(random, &name),
        "HorizontalPodAutoscaler" => autoscaler(random, &name),
        "CronJob" => cron_job(random, &name),
        "DaemonSet" => daemon_set(random, &name),
        "Deployment" if random.one_in(3) => {
            let mut new = old.clone();
            new["spec"]["replicas"] = random.pick(&[1, 2, 3]).into();
            new
        }
        "Deployment" => deployment(random, &name),
        _ => old.clone(),
    }
}

fn named(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn deployment(random: &mut Random, name: &str) -> Value {
    let kind = random.pick(&["Deployment", "Deployment", "StatefulSet", "ReplicaSet"]);
    let mut spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name, "tier": "web"}}, "spec": pod_spec(random)},
    });
    if !random.one_in(4) {
        spec["replicas"] = random.pick(&[0, 1, 2, 5]).into();
    }
    if kind == "StatefulSet" {
        spec["serviceName"] = "x".into();
    }
    let kind = if random.one_in(2) { "Deployment" } else { kind };
    if kind != "StatefulSet" {
        spec.as_object_mut().unwrap().remove("serviceName");
    }
    named("apps/v1", kind, name, &spec)
}

fn daemon_set(random: &mut Random, name: &str) -> Value {
    let spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec(random)},
    });
    named("apps/v1", "DaemonSet", name, &spec)
}

fn cron_job(random: &mut Random, name: &str) -> Value {
    let mut pod = pod_spec(random);
    pod["restartPolicy"] = "Never".into();
    let spec =
        json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}});
    named("batch/v1", "CronJob", name, &spec)
}

fn pod_spec(random: &mut Random) -> Value {
    let mut spec = json!({});
    let host = !random.one_in(4);
    if host {
        spec["hostNetwork"] = true.into();
    }
    if random.one_in(3) {
        spec["dnsPolicy"] = random
            .pick(&["ClusterFirst", "ClusterFirstWithHostNet", "Default"])
            .into();
    }
    if random.one_in(6) {
        spec["dnsConfig"] = json!({"nameservers": ["10.0.0.10"]});
    }
    if random.one_in(8) {
        spec["os"] = json!({"name": "windows"});
        spec["hostNetwork"] = false.into();
    }
    if random.one_in(8) {
        spec["nodeSelector"] = json!({"kubernetes.io/os": random.pick(&["windows", "linux"])});
    }
    if random.one_in(3) && spec.get("os").is_none() {
        spec["securityContext"] = security(random, false);
    }
    if random.one_in(3) {
        spec["affinity"] = affinity(random);
    }
    let count = 1 + random.below(3);
    let containers: Vec<Value> = (0..count)
        .map(|n| container(random, &format!("c{n}"), true))
        .collect();
    spec["containers"] = containers.into();
    let inits = random.below(3);
    let inits: Vec<Value> = (0..inits)
        .map(|n| {
            let sidecar = random.one_in(2);
            let mut container = container(random, &format!("i{n}"), sidecar);
            if sidecar {
                container["restartPolicy"] = "Always".into();
            }
            container
        })
        .collect();
    if !inits.is_empty() {
        spec["initContainers"] = inits.into();
    }
    if spec["os"]["name"] == "windows" {
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                container.as_object_mut().unwrap().remove("securityContext");
            }
        }
    }
    spec
}

fn affinity(random: &mut Random) -> Value {
    let selector = random.pick(&[
        json!({"matchLabels": {"tier": "web"}}),
        json!({"matchLabels": {"tier": "db"}}),
        json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "db"]}]}),
        json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}),
        json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}], "matchLabels": {"tier": "web"}}),
        json!({}),
    ]);
    let mut term = json!({
        "labelSelector": selector,
        "topologyKey": random.pick(&["kubernetes.io/hostname", "topology.kubernetes.io/zone"]),
    });
    if random.one_in(4) {
        term["namespaces"] = json!([random.pick(&["judged", "other"])]);
    }
    if random.one_in(5) {
        term["namespaceSelector"] = json!({});
    }
    if random.one_in(4) {
        let weighted = json!([{"weight": 1, "podAffinityTerm": term}]);
        return json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}});
    }
    json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
}

fn container(random: &mut Random, name: &str, probed: bool) -> Value {
    let image = random.pick(&[
        "example.test/web:1",
        "docker.io/calico/node:v3",
        "coredns/coredns:1.11",
        "registry.test:5000/kube-proxy@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "afrrx/ovnx:2",
        "quay.io/frrouting/frr:9",
        "web",
    ]);
    // Images that carry the network silence one rule; most containers have another.
    let image = if random.one_in(4) { image } else { "web" };
    let mut container = json!({"name": name, "image": image});
    let mut ports: Vec<Value> = Vec::new();
    for n in 0..random.below(4) {
        let mut port = json!({"containerPort": random.pick(&[53, 80, 443, 8080, 8080, 9090])});
        if random.one_in(2) {
            port["name"] = format!("{}{n}", random.pick(&["http", "web", "dns"])).into();
        }
        if random.one_in(4) {
            port["protocol"] = random.pick(&["UDP", "TCP", "SCTP"]).into();
        }
        if random.one_in(4) {
            port["hostPort"] = random.pick(&[80, 8080, 9999]).into();
        }
        if random.one_in(6) {
            port["hostIP"] = random.pick(&["127.0.0.1", "0.0.0.0"]).into();
        }
        ports.push(port);
    }
    if !ports.is_empty() {
        container["ports"] = ports.into();
    }
    if random.one_in(3) {
        container["securityContext"] = security(random, true);
    }
    if probed {
        hooks(random, &mut container);
    }
    container
}

fn hooks(random: &mut Random, container: &mut Value) {
    let port = |random: &mut Random| {
        random.pick(&[json!("http0"), json!("web1"), json!("htp"), json!(8080)])
    };
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if random.one_in(4) {
            let port = port(random);
            container[field] = if random.one_in(2) {
                json!({"httpGet": {"port": port, "path": "/"}})
            } else {
                json!({"tcpSocket": {"port": port}})
            };
        }
    }
    for field in ["postStart", "preStop"] {
        if random.one_in(6) {
            let port = port(random);
            container["lifecycle"][field] = json!({"httpGet": {"port": port, "path": "/"}});
        }
    }
}

fn security(random: &mut Random, of_container: bool) -> Value {
    let mut security = json!({});
    if random.one_in(2) {
        security["runAsUser"] = random.pick(&[0, 1, 101]).into();
    }
    if random.one_in(2) {
        security["runAsNonRoot"] = random.one_in(2).into();
    }
    if !of_container {
        return security;
    }
    if random.one_in(3) {
        let name = random.pick(&["NET_BIND_SERVICE", "CAP_NET_BIND_SERVICE", "ALL", "CHOWN"]);
        security["capabilities"] = json!({"add": [name]});
    }
    if random.one_in(3) {
        security["allowPrivilegeEscalation"] = random.one_in(2).into();
    }
    if random.one_in(8) {
        security["privileged"] = true.into();
        security
            .as_object_mut()
            .unwrap()
            .remove("allowPrivilegeEscalation");
    }
    security
}

fn service(random: &mut Random, name: &str) -> Value {
    let host = random.pick(&[
        "db.example.test".to_owned(),
        "localhost".to_owned(),
        "db.localhost".to_owned(),
        "localhost.localdomain".to_owned(),
        "10.0.0.7".to_owned(),
        "10.0.0.7.".to_owned(),
        "10.0.0".to_owned(),
        "300.1.1.1".to_owned(),
        format!("{name}.judged.svc"),
        format!("{name}.judged.svc.cluster.local"),
        format!("{name}.other.svc.cluster.local"),
        "localhost.".to_owned(),
    ]);
    let mut spec = json!({"type": "ExternalName", "externalName": host});
    if random.one_in(3) {
        spec["selector"] = json!({"app": "x"});
    }
    named("v1", "Service", name, &spec)
}

fn headless(random: &mut Random, name: &str) -> Value {
    let mut spec = json!({});
    if !random.one_in(4) {
        spec["clusterIP"] = "None".into();
    }
    if !random.one_in(4) {
        spec["selector"] = json!({"app": "x"});
    }
    let several = 1 + random.below(3);
    let ports: Vec<Value> = (0..several)
        .map(|n| {
            let mut port = json!({"port": random.pick(&[80, 443, 8080, 9000]) + n});
            if several > 1 || random.one_in(2) {
                port["name"] = format!("p{n}").into();
            }
            if !random.one_in(3) {
                port["targetPort"] =
                    random.pick(&[json!(80), json!(8080), json!("http"), json!(443)]);
            }
            port
        })
        .collect();
    spec["ports"] = ports.into();
    named("v1", "Service", name, &spec)
}

fn network_policy(random: &mut Random, name: &str) -> Value {
    let mut spec = json!({"podSelector": {}});
    if !random.one_in(4) {
        spec["policyTypes"] = random.pick(&[
            json!(["Ingress"]),
            json!(["Egress"]),
            json!(["Ingress", "Egress"]),
            json!([]),
        ]);
    }
    for field in ["ingress", "egress"] {
        match random.below(4) {
            0 => {}
            1 => spec[field] = json!([]),
            2 => spec[field] = json!([{}]),
            _ => spec[field] = json!([{}, {"ports": [{"port": 80}]}]),
        }
    }
    named("networking.k8s.io/v1", "NetworkPolicy", name, &spec)
}

fn autoscaler(random: &mut Random, name: &str) -> Value {
    let target = json!({
        "apiVersion": random.pick(&["apps/v1", "apps.example.test/v1", "v1", "extensions/v1beta1"]),
        "kind": random.pick(&["DaemonSet", "DaemonSet", "Deployment"]),
        "name": "t",
    });
    named(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        name,
        &json!({"scaleTargetRef": target, "maxReplicas": 3}),
    )
}
