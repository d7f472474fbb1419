//go:build tools

package main

// Kubernetes' own test image stays in go.mod through this import, so that it builds from the same versions.
import _ "k8s.io/kubernetes/test/images/agnhost"
