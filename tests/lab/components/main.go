// Command components is every Kubernetes component that the tests need, in one binary.
//
// It dispatches on its first argument, or on its own name when that name is the component's (a symlink called
// `kubectl`, say, which is what plugin discovery wants to see). The constructors are Kubernetes' own; nothing here
// changes what they do.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// Exec and OIDC credential plugins, as the released kubectl has them.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
)

// The components' own constructors watch for signals. A second signal context would close a closed channel.
var servers = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              func() *cobra.Command { return proxy.NewProxyCommand() },
}

func main() {
	name := component()
	if name == "kubectl" {
		runKubectl()
		return
	}
	build, known := servers[name]
	if !known {
		fmt.Fprintf(os.Stderr, "components: no component is named %q; the first argument is kubectl or one of %s\n", name, knownNames())
		os.Exit(2)
	}
	os.Exit(cli.Run(build()))
}

// component takes the component's name from argv[0] or argv[1] and leaves os.Args as that component expects them.
func component() string {
	base := filepath.Base(os.Args[0])
	if _, server := servers[base]; server || strings.HasSuffix(base, "kubectl") {
		if server {
			return base
		}
		return "kubectl"
	}
	if len(os.Args) < 2 {
		return ""
	}
	os.Args = os.Args[1:]
	return os.Args[0]
}

// runKubectl is what kubectl's own main does. Through cli.Run its errors would begin with "Error:".
func runKubectl() {
	command := kubectl.NewDefaultKubectlCommand()
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck // as upstream: a wrong level is no reason to stop
	if err := cli.RunNoErrOutput(command); err != nil {
		kubectlutil.CheckErr(err)
	}
}

func knownNames() string {
	names := make([]string, 0, len(servers))
	for name := range servers {
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
