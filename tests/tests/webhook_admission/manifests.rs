//! What the stories are about.

/// Pods that share the node's network, and may share a node.
pub(crate) const EDGE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge}
spec:
  replicas: 3
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      containers: [{name: edge, image: edge}]
";

/// Pods whose port is called `http`.
pub(crate) const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

/// A Service that names no port of theirs.
pub(crate) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: htpp}]}
";

/// The same without the mistake.
pub(crate) fn good_service() -> String {
    SERVICE.replace("htpp", "http")
}

/// An Ingress to a Service. Whose class it is does not matter here.
pub(crate) fn ingress(service: &str, port: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, annotations: {{netdoctor.io/allow-ING004: served elsewhere}}}}
spec: {{ingressClassName: none, defaultBackend: {{service: {{name: {service}, port: {{{port}}}}}}}}}
"
    )
}
