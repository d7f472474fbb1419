//! The help page of every command.

/// Help of one command. Texts name the plugin; they are rewritten when it runs under its own name.
pub(super) struct Page {
    pub(super) command: &'static str,
    pub(super) about: &'static str,
    pub(super) examples: &'static str,
    pub(super) usage: &'static str,
    pub(super) has_options: bool,
}

pub(super) const PAGES: [Page; 20] = [
    Page {
        command: "",
        about: "Find out why a Kubernetes network does not work, and what fixes it.",
        examples: "
  # Check the current namespace
  kubectl netdoctor

  # Check one object and what it depends on
  kubectl netdoctor svc/web -n shop

  # Lint manifests before they are committed
  kubectl netdoctor lint -f deploy/ -R

  # See what it finds in a broken cluster, without having one
  kubectl netdoctor demo
",
        usage: "kubectl netdoctor [COMMAND] [TYPE/NAME | TYPE NAME ...] [flags]",
        has_options: false,
    },
    Page {
        command: "check",
        about: "Run the rules on the objects of a cluster, or on a saved state, and name the cause of what is
broken.

Objects given as arguments limit the report to them and to what explains their findings. Nothing is
written to the cluster. The exit code is 0 when nothing is found at or above --fail-on, 1 when
something is, 2 for wrong usage and 3 when the check could not be completed.",
        examples: "
  # Check the current namespace
  kubectl netdoctor check

  # Check all namespaces
  kubectl netdoctor check -A

  # Check one Service and what it depends on
  kubectl netdoctor check svc/web -n shop

  # Fail on warnings too, and write the report to a file beside the text
  kubectl netdoctor check -n shop --fail-on=warning -o json=report.json

  # Check a saved state
  kubectl netdoctor check --from shop.json.gz
",
        usage: "kubectl netdoctor check [TYPE/NAME | TYPE NAME ...] [flags]",
        has_options: true,
    },
    Page {
        command: "lint",
        about: "Run the rules on manifests.

Files may hold several documents, as YAML or JSON. A file that cannot be read is reported and makes
the exit code 3; the others are still judged. With --with-cluster the objects of the cluster count as
well: those in the files take the place of those of the same name, and what is reported is about the
files and about what they would newly break. Host ports are compared with those of all namespaces, as
far as they may be listed.",
        examples: "
  # Lint a directory and everything below it
  kubectl netdoctor lint -f deploy/ -R

  # Lint a kustomization
  kubectl netdoctor lint -k overlays/production

  # Lint what a chart renders
  helm template shop ./chart | kubectl netdoctor lint -

  # Annotate a pull request and write a report for code scanning
  kubectl netdoctor lint -f deploy/ -R -o github -o sarif=netdoctor.sarif --fail-on=warning

  # Ask what would happen if the manifests were applied to the cluster of the current context
  kubectl netdoctor lint --with-cluster -f deploy.yaml -n shop
",
        usage: "kubectl netdoctor lint (-f FILENAME | -k DIRECTORY | -) [flags]",
        has_options: true,
    },
    Page {
        command: "explain",
        about: "Show the page of a rule: what it finds, why it matters, an example and the fix.
No cluster is needed.",
        examples: "
  # Explain a code from a report
  kubectl netdoctor explain SVC004

  # Explain a rule by its name
  kubectl netdoctor explain target-port-name-unresolved
",
        usage: "kubectl netdoctor explain (CODE | NAME) [flags]",
        has_options: false,
    },
    Page {
        command: "checks",
        about: "List what is checked.",
        examples: "
  # List all rules
  kubectl netdoctor checks list
",
        usage: "kubectl netdoctor checks COMMAND [flags]",
        has_options: false,
    },
    Page {
        command: "checks list",
        about: "List the rules with their severity and what each one needs to read.",
        examples: "
  # List all rules
  kubectl netdoctor checks list

  # List them for a program
  kubectl netdoctor checks list -o json
",
        usage: "kubectl netdoctor checks list [flags]",
        has_options: true,
    },
    Page {
        command: "bundle",
        about: "Save the state of a cluster to a file, or show what such a file holds.",
        examples: "
  # Save a namespace for a ticket
  kubectl netdoctor bundle save shop.json.gz -n shop

  # Check what was saved
  kubectl netdoctor check --from shop.json.gz
",
        usage: "kubectl netdoctor bundle COMMAND [flags]",
        has_options: false,
    },
    Page {
        command: "bundle save",
        about: "Save what the rules read to a file.

Secret data, environment values and annotations that look like credentials are left out. The file
gives the same report as the cluster did.",
        examples: "
  # Save the current namespace
  kubectl netdoctor bundle save shop.json

  # Save all namespaces, compressed
  kubectl netdoctor bundle save cluster.json.gz -A
",
        usage: "kubectl netdoctor bundle save FILENAME [flags]",
        has_options: true,
    },
    Page {
        command: "bundle show",
        about: "Show what a saved state holds: when and where it was taken, what was listed and what could not be
read.",
        examples: "
  # Show what a file holds
  kubectl netdoctor bundle show shop.json.gz
",
        usage: "kubectl netdoctor bundle show FILENAME [flags]",
        has_options: false,
    },
    Page {
        command: "webhook",
        about: "Guard kubectl apply with the same rules: an admission webhook, or policies of the API server.",
        examples: "
  # Look at what would be installed
  kubectl netdoctor webhook manifests

  # Install it: it warns and refuses nothing
  kubectl netdoctor webhook install --apply

  # Show how it is
  kubectl netdoctor webhook status

  # Take it out of the way at once
  kubectl netdoctor webhook disable
",
        usage: "kubectl netdoctor webhook COMMAND [flags]",
        has_options: false,
    },
    Page {
        command: "webhook manifests",
        about: "Print the objects of the webhook. They are those of the kustomize overlays of the same names.",
        examples: "
  # Print the objects, and apply them with kubectl
  kubectl netdoctor webhook manifests | kubectl apply -f -

  # Print those that refuse what is certain to fail, with a certificate of cert-manager
  kubectl netdoctor webhook manifests --profile=guarded --certificates=cert-manager

  # Print policies that the API server evaluates itself, without any webhook
  kubectl netdoctor webhook manifests --mode=policy
",
        usage: "kubectl netdoctor webhook manifests [flags]",
        has_options: true,
    },
    Page {
        command: "webhook install",
        about: "Print the objects of the webhook or, with --apply, install them.

The installation asks first. It tries everything on the server in a dry run, starts the server and
waits for it, sends it the requests of one namespace, tests that it answers, and only then widens it to
all namespaces. It stops at the first step that fails, and can be run again: what is there is kept, the
configuration and the certificates as well.",
        examples: "
  # Install with defaults: it warns and refuses nothing
  kubectl netdoctor webhook install --apply

  # See what would be done, with the API server's opinion
  kubectl netdoctor webhook install --apply --dry-run=server

  # Install without questions, strict, in a namespace of your choice
  kubectl netdoctor webhook install --apply --yes --profile=strict -n guard
",
        usage: "kubectl netdoctor webhook install [flags]",
        has_options: true,
    },
    Page {
        command: "webhook status",
        about: "Show whether the webhook runs and is reached by the API server, what it matches, how long its
certificates last, and what it let through unjudged.

The exit code is 0 when all is well, 1 when something is wrong, and 3 when it could not be found out.
Nothing is written; --test sends a request that the API server forgets.",
        examples: "
  # Show how the webhook is
  kubectl netdoctor webhook status

  # Test the whole way, from the API server to the answer
  kubectl netdoctor webhook status --test
",
        usage: "kubectl netdoctor webhook status [flags]",
        has_options: true,
    },
    Page {
        command: "webhook disable",
        about: "Take the webhook out of the way at once, even when it is dead: its configurations and the bindings
of its policies are deleted, and nothing else. Install it again to bring it back.",
        examples: "
  # Disable it
  kubectl netdoctor webhook disable

  # The same without the plugin
  kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration -l app.kubernetes.io/name=netdoctor
",
        usage: "kubectl netdoctor webhook disable [flags]",
        has_options: true,
    },
    Page {
        command: "webhook uninstall",
        about: "Remove the webhook and everything that belongs to it.

The configurations go first and are seen to be gone, so that no request waits for a server that is no
more. The namespace goes only when the plugin made it and nothing else lives there.",
        examples: "
  # Remove it
  kubectl netdoctor webhook uninstall

  # See what would be removed
  kubectl netdoctor webhook uninstall --dry-run=client
",
        usage: "kubectl netdoctor webhook uninstall [flags]",
        has_options: true,
    },
    Page {
        command: "webhook certs",
        about: "Look after the certificates of the webhook.",
        examples: "
  # Begin the rotation of the authority
  kubectl netdoctor webhook certs rotate
",
        usage: "kubectl netdoctor webhook certs COMMAND [flags]",
        has_options: false,
    },
    Page {
        command: "webhook certs rotate",
        about: "Begin the rotation of the authority that signs the serving certificates. The old one stays trusted
until every replica serves with the new one; no request fails meanwhile. Without this command it
happens by itself, long before the authority ends.",
        examples: "
  # Begin the rotation
  kubectl netdoctor webhook certs rotate
",
        usage: "kubectl netdoctor webhook certs rotate [flags]",
        has_options: true,
    },
    Page {
        command: "demo",
        about: "Show what a built-in broken cluster looks like. No cluster is needed, and the exit code is 0.",
        examples: "
  # List the scenarios and play the first
  kubectl netdoctor demo

  # Play one of them
  kubectl netdoctor demo SCENARIO
",
        usage: "kubectl netdoctor demo [SCENARIO] [flags]",
        has_options: true,
    },
    Page {
        command: "version",
        about: "Print the version of the plugin and of the server.",
        examples: "
  # Print both versions
  kubectl netdoctor version

  # Print the version of the plugin only, without a cluster
  kubectl netdoctor version --client
",
        usage: "kubectl netdoctor version [flags]",
        has_options: true,
    },
    Page {
        command: "options",
        about: "List the flags that every command accepts.",
        examples: "
  # List them
  kubectl netdoctor options
",
        usage: "kubectl netdoctor options",
        has_options: false,
    },
];
