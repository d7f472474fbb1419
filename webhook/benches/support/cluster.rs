//! A generated cluster, object by object, as an API server sends it: with `managedFields`, defaults and status, so that
//! what decoding throws away is there to be thrown away.
//!
//! Workloads have two pods each and a Deployment with its current `ReplicaSet`; Services go round the workloads; each has a
//! slice, and every Ingress leads to a Service. The rest (nodes, namespaces, policies, autoscalers, `ConfigMap`s) follows
//! in proportion. Everything is healthy: what rules would say costs extra and is measured apart.

use netdoctor_engine::model::Kind;

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Pods.
    pub(crate) pods: usize,
    /// Services.
    pub(crate) services: usize,
    /// Ingresses.
    pub(crate) ingresses: usize,
}

impl Size {
    /// What the target of the project names.
    pub(crate) const LARGE: Self = Self {
        pods: 10_000,
        services: 13_000,
        ingresses: 12_000,
    };
    /// A company's cluster.
    #[allow(dead_code, reason = "not every target measures every size")]
    pub(crate) const MEDIUM: Self = Self {
        pods: 2_000,
        services: 1_500,
        ingresses: 1_000,
    };
    /// A team's cluster.
    #[allow(dead_code, reason = "not every target measures every size")]
    pub(crate) const SMALL: Self = Self {
        pods: 200,
        services: 120,
        ingresses: 60,
    };

    fn workloads(self) -> usize {
        (self.pods / REPLICAS).max(1)
    }

    fn nodes(self) -> usize {
        (self.pods / 60).max(3)
    }

    /// How many objects of a kind there are.
    pub(crate) fn of(self, kind: Kind) -> usize {
        match kind {
            Kind::Pod => self.pods,
            Kind::Deployment | Kind::ReplicaSet => self.workloads(),
            Kind::Service | Kind::EndpointSlice => self.services,
            Kind::Ingress => self.ingresses,
            Kind::Node => self.nodes(),
            Kind::Namespace => self.workloads() / PER_NAMESPACE + 1,
            Kind::NetworkPolicy | Kind::HorizontalPodAutoscaler => self.workloads() / 10,
            Kind::ConfigMap => self.workloads() / 2,
            Kind::IngressClass => 2,
            _ => 0,
        }
    }

    /// The object with a number as JSON; kinds and numbers outside of [`Size::of`] give an empty object.
    pub(crate) fn json(self, kind: Kind, number: usize) -> String {
        let (meta, rest) = match kind {
            Kind::Pod => pod(self, number),
            Kind::Deployment => deployment(number),
            Kind::ReplicaSet => replica_set(number),
            Kind::Service => service(self, number),
            Kind::EndpointSlice => slice(self, number),
            Kind::Ingress => ingress(self, number),
            Kind::Node => node(number),
            Kind::Namespace => namespace(number),
            Kind::NetworkPolicy => policy(number * 10),
            Kind::HorizontalPodAutoscaler => autoscaler(number * 10),
            Kind::ConfigMap => config_map(number),
            Kind::IngressClass => ingress_class(number),
            _ => (String::new(), String::new()),
        };
        if meta.is_empty() {
            return "{}".to_owned();
        }
        format!("{{{}{rest}}}", metadata(kind, number, &meta))
    }
}

const REPLICAS: usize = 2;
const PER_NAMESPACE: usize = 20;

/// Metadata as the API server keeps it; `fields` are those that differ from kind to kind.
fn metadata(kind: Kind, number: usize, fields: &str) -> String {
    let uid = format!("{:08x}-0000-4000-8000-{:012x}", kind as usize, number);
    let owned = r#"{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:labels":{".":{},"f:app":{},"f:team":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"UPSTREAM\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}"#;
    format!(
        r#""metadata":{{{fields},"uid":"{uid}","resourceVersion":"{}","creationTimestamp":"2025-12-01T00:00:00Z","managedFields":[{{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"{}","time":"2025-12-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{owned}}}]}},"#,
        1_000_000 + number,
        kind.api_version(),
    )
}

fn team(workload: usize) -> String {
    format!("team-{}", workload / PER_NAMESPACE)
}

fn named(name: &str, namespace: &str, labels: &str) -> String {
    format!(
        r#""name":"{name}","namespace":"{namespace}","labels":{{{labels}}},"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{{\"apiVersion\":\"v1\",\"kind\":\"Whatever\",\"metadata\":{{\"annotations\":{{}},\"name\":\"{name}\",\"namespace\":\"{namespace}\"}},\"spec\":{{\"replicas\":2}}}}"}}"#
    )
}

fn labels(workload: usize) -> String {
    format!(
        r#""app":"app-{workload}","team":"t{}","app.kubernetes.io/managed-by":"Helm""#,
        workload % 7
    )
}

fn owner(kind: &str, name: &str) -> String {
    format!(
        r#","ownerReferences":[{{"apiVersion":"apps/v1","kind":"{kind}","name":"{name}","uid":"00000000-0000-4000-8000-000000000000","controller":true,"blockOwnerDeletion":true}}]"#
    )
}

fn pod_spec(workload: usize) -> String {
    format!(
        r#"{{"volumes":[{{"name":"config","configMap":{{"name":"config-{workload}","defaultMode":420}}}},{{"name":"token","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}}],"defaultMode":420}}}}],"containers":[{{"name":"app","image":"registry.example.test/teams/app:1.{workload}","args":["--listen=:8080"],"ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}},{{"name":"metrics","containerPort":9090,"protocol":"TCP"}}],"env":[{{"name":"UPSTREAM","value":"http://app-{workload}:80"}},{{"name":"LOG_LEVEL","value":"info"}}],"resources":{{"limits":{{"memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"volumeMounts":[{{"name":"config","mountPath":"/etc/app"}},{{"name":"token","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"readinessProbe":{{"httpGet":{{"path":"/","port":"http","scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{{"allowPrivilegeEscalation":false}}}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{{"runAsNonRoot":true}},"schedulerName":"default-scheduler""#
    )
}

fn template(workload: usize) -> String {
    format!(
        r#"{{"metadata":{{"labels":{{{}}}}},"spec":{}}}}}"#,
        labels(workload),
        pod_spec(workload)
    )
}

fn pod(size: Size, number: usize) -> (String, String) {
    let workload = number / REPLICAS;
    let set = format!("app-{workload}-5d9c8f7b6d");
    let ip = format!(
        "10.{}.{}.{}",
        64 + number / 65_536,
        number / 256 % 256,
        number % 256
    );
    let node = number % size.nodes();
    let labels = format!(r#"{},"pod-template-hash":"5d9c8f7b6d""#, labels(workload));
    let meta = named(&format!("{set}-{number:05x}"), &team(workload), &labels)
        + &owner("ReplicaSet", &set);
    let rest = format!(
        r#""spec":{},"serviceAccountName":"default","serviceAccount":"default","nodeName":"node-{node}","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}},{{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},"status":{{"phase":"Running","conditions":[{{"type":"PodReadyToStartContainers","status":"True","lastProbeTime":null,"lastTransitionTime":"2025-12-01T00:00:03Z"}},{{"type":"Initialized","status":"True","lastProbeTime":null,"lastTransitionTime":"2025-12-01T00:00:01Z"}},{{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2025-12-01T00:00:10Z"}},{{"type":"ContainersReady","status":"True","lastProbeTime":null,"lastTransitionTime":"2025-12-01T00:00:10Z"}},{{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2025-12-01T00:00:01Z"}}],"hostIP":"192.168.{}.{}","podIP":"{ip}","podIPs":[{{"ip":"{ip}"}}],"startTime":"2025-12-01T00:00:01Z","containerStatuses":[{{"name":"app","state":{{"running":{{"startedAt":"2025-12-01T00:00:05Z"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"registry.example.test/teams/app:1.{workload}","imageID":"registry.example.test/teams/app@sha256:0000000000000000000000000000000000000000000000000000000000000000","containerID":"containerd://0000000000000000000000000000000000000000000000000000000000000000","started":true}}],"qosClass":"Burstable"}}"#,
        pod_spec(workload),
        node / 256,
        node % 256
    );
    (meta, rest)
}

fn deployment(workload: usize) -> (String, String) {
    let meta = named(
        &format!("app-{workload}"),
        &team(workload),
        &labels(workload),
    );
    let rest = format!(
        r#""spec":{{"replicas":{REPLICAS},"selector":{{"matchLabels":{{"app":"app-{workload}"}}}},"template":{},"strategy":{{"type":"RollingUpdate","rollingUpdate":{{"maxUnavailable":"25%","maxSurge":"25%"}}}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600}},"status":{{"observedGeneration":1,"replicas":{REPLICAS},"updatedReplicas":{REPLICAS},"readyReplicas":{REPLICAS},"availableReplicas":{REPLICAS},"conditions":[{{"type":"Available","status":"True","lastUpdateTime":"2025-12-01T00:00:10Z","lastTransitionTime":"2025-12-01T00:00:10Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."}}]}}"#,
        template(workload)
    );
    (meta, rest)
}

fn replica_set(workload: usize) -> (String, String) {
    let name = format!("app-{workload}-5d9c8f7b6d");
    let meta = named(&name, &team(workload), &labels(workload))
        + &owner("Deployment", &format!("app-{workload}"));
    let rest = format!(
        r#""spec":{{"replicas":{REPLICAS},"selector":{{"matchLabels":{{"app":"app-{workload}"}}}},"template":{}}},"status":{{"replicas":{REPLICAS},"fullyLabeledReplicas":{REPLICAS},"readyReplicas":{REPLICAS},"availableReplicas":{REPLICAS},"observedGeneration":1}}"#,
        template(workload)
    );
    (meta, rest)
}

/// The workload behind a Service.
fn behind(size: Size, service: usize) -> usize {
    service % size.workloads()
}

fn service(size: Size, number: usize) -> (String, String) {
    let workload = behind(size, number);
    let meta = named(&format!("svc-{number}"), &team(workload), &labels(workload));
    let ip = format!("172.20.{}.{}", number / 256 % 256, number % 256);
    let rest = format!(
        r#""spec":{{"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":"http"}}],"selector":{{"app":"app-{workload}"}},"clusterIP":"{ip}","clusterIPs":["{ip}"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{}}}}"#
    );
    (meta, rest)
}

fn slice(size: Size, number: usize) -> (String, String) {
    let workload = behind(size, number);
    let labels = format!(
        r#""kubernetes.io/service-name":"svc-{number}","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io""#
    );
    let meta = named(&format!("svc-{number}-x7k2p"), &team(workload), &labels)
        + &owner("Service", &format!("svc-{number}")).replace("apps/v1", "v1");
    let endpoints: Vec<String> = (0..REPLICAS)
        .map(|replica| {
            let pod = workload * REPLICAS + replica;
            let ip = format!("10.{}.{}.{}", 64 + pod / 65_536, pod / 256 % 256, pod % 256);
            format!(
                r#"{{"addresses":["{ip}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},"targetRef":{{"kind":"Pod","namespace":"{}","name":"app-{workload}-5d9c8f7b6d-{pod:05x}","uid":"00000000-0000-4000-8000-{pod:012x}"}},"nodeName":"node-{}"}}"#,
                team(workload),
                pod % size.nodes()
            )
        })
        .collect();
    let rest = format!(
        r#""addressType":"IPv4","endpoints":[{}],"ports":[{{"name":"http","protocol":"TCP","port":8080}}]"#,
        endpoints.join(",")
    );
    (meta, rest)
}

fn ingress(size: Size, number: usize) -> (String, String) {
    let service = number % size.services.max(1);
    let workload = behind(size, service);
    let meta = named(&format!("ing-{number}"), &team(workload), &labels(workload));
    let rest = format!(
        r#""spec":{{"ingressClassName":"nginx","tls":[{{"hosts":["app-{number}.example.test"],"secretName":"tls-{number}"}}],"rules":[{{"host":"app-{number}.example.test","http":{{"paths":[{{"path":"/","pathType":"Prefix","backend":{{"service":{{"name":"svc-{service}","port":{{"name":"http"}}}}}}}}]}}}}]}},"status":{{"loadBalancer":{{"ingress":[{{"ip":"192.0.2.10"}}]}}}}"#
    );
    (meta, rest)
}

fn node(number: usize) -> (String, String) {
    let meta = format!(
        r#""name":"node-{number}","labels":{{"kubernetes.io/hostname":"node-{number}","kubernetes.io/os":"linux","topology.kubernetes.io/zone":"z{}"}}"#,
        number % 3
    );
    let rest = format!(
        r#""spec":{{"podCIDR":"10.{}.{}.0/24","podCIDRs":["10.{0}.{1}.0/24"]}},"status":{{"addresses":[{{"type":"InternalIP","address":"192.168.{}.{}"}}],"conditions":[{{"type":"Ready","status":"True","lastHeartbeatTime":"2025-12-01T00:00:00Z","lastTransitionTime":"2025-11-01T00:00:00Z","reason":"KubeletReady","message":"kubelet is posting ready status"}}],"nodeInfo":{{"kubeletVersion":"v1.35.4","operatingSystem":"linux","osImage":"Linux","kernelVersion":"6.1.0","containerRuntimeVersion":"containerd://2.1.0"}}}}"#,
        64 + number / 256,
        number % 256,
        number / 256,
        number % 256
    );
    (meta, rest)
}

fn namespace(number: usize) -> (String, String) {
    let name = format!("team-{number}");
    let meta = format!(r#""name":"{name}","labels":{{"kubernetes.io/metadata.name":"{name}"}}"#);
    let rest = r#""spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}"#;
    (meta, rest.to_owned())
}

fn policy(workload: usize) -> (String, String) {
    let meta = named(
        &format!("app-{workload}"),
        &team(workload),
        &labels(workload),
    );
    let rest = format!(
        r#""spec":{{"podSelector":{{"matchLabels":{{"app":"app-{workload}"}}}},"policyTypes":["Ingress"],"ingress":[{{"from":[{{"namespaceSelector":{{}}}}],"ports":[{{"port":8080,"protocol":"TCP"}}]}}]}}"#
    );
    (meta, rest)
}

fn autoscaler(workload: usize) -> (String, String) {
    let meta = named(
        &format!("app-{workload}"),
        &team(workload),
        &labels(workload),
    );
    let rest = format!(
        r#""spec":{{"scaleTargetRef":{{"apiVersion":"apps/v1","kind":"Deployment","name":"app-{workload}"}},"minReplicas":2,"maxReplicas":4}},"status":{{"currentReplicas":2,"desiredReplicas":2}}"#
    );
    (meta, rest)
}

fn config_map(number: usize) -> (String, String) {
    let workload = number * 2;
    let meta = named(
        &format!("config-{workload}"),
        &team(workload),
        &labels(workload),
    );
    let lines = "log.level = info\\nserver.threads = 16\\ncache.ttl = 30s\\n".repeat(20);
    let rest = format!(
        r#""data":{{"app.properties":"{lines}upstream = http://svc-{workload}.{}.svc.cluster.local:80\n"}}"#,
        team(workload)
    );
    (meta, rest)
}

fn ingress_class(number: usize) -> (String, String) {
    let name = ["nginx", "internal"][number % 2];
    let meta = format!(r#""name":"{name}""#);
    let rest = r#""spec":{"controller":"k8s.io/ingress-nginx"}"#;
    (meta, rest.to_owned())
}
