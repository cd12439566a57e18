package lint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// A set is what one folder of manifests declares.
type set struct {
	objects map[string]any // by kind and name
	pods    []pod
}

// A pod is a template of pods, and what makes them.
type pod struct {
	owner    string
	lasting  bool // it serves until it is asked to stop
	replicas int32
	labels   map[string]string
	spec     core.PodSpec
}

func objectOf(kind string) any {
	switch kind {
	case "Namespace":
		return &core.Namespace{}
	case "Service":
		return &core.Service{}
	case "ConfigMap":
		return &core.ConfigMap{}
	case "Deployment":
		return &apps.Deployment{}
	case "StatefulSet":
		return &apps.StatefulSet{}
	case "Job":
		return &batch.Job{}
	case "PodDisruptionBudget":
		return &policy.PodDisruptionBudget{}
	case "NetworkPolicy":
		return &networking.NetworkPolicy{}
	}
	return nil
}

// load reads the manifests that a kustomization names, by the types of
// Kubernetes itself: a field that those do not have is an error.
func load(t *testing.T, dir string) *set {
	t.Helper()
	var k struct{ Resources []string }
	text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := strict.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) != len(k.Resources)+1 {
		t.Errorf("%s: %d files, and the kustomization names %d beside itself", dir, len(files), len(k.Resources))
	}
	s := &set{objects: map[string]any{}}
	for _, name := range k.Resources {
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(file))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			s.add(t, filepath.Join(dir, name), document)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	return s
}

func (s *set) add(t *testing.T, file string, document []byte) {
	t.Helper()
	var head struct {
		meta.TypeMeta `json:",inline"`
		Metadata      meta.ObjectMeta `json:"metadata"`
	}
	if err := strict.Unmarshal(document, &head); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	object := objectOf(head.Kind)
	if object == nil {
		t.Errorf("%s: %s is of a kind that is not looked at", file, head.Kind)
		return
	}
	if err := strict.UnmarshalStrict(document, object); err != nil {
		t.Errorf("%s: %s %s: %v", file, head.Kind, head.Metadata.Name, err)
	}
	name := head.Kind + " " + head.Metadata.Name
	if s.objects[name] != nil {
		t.Errorf("%s: %s is there twice", file, name)
	}
	s.objects[name] = object
	switch o := object.(type) {
	case *apps.Deployment:
		s.pods = append(s.pods, pod{name, true, *o.Spec.Replicas, o.Spec.Template.Labels, o.Spec.Template.Spec})
		if r := o.Spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable.IntValue() != 0 {
			t.Errorf("%s: an old pod may go before a new one is ready", name)
		}
		selects(t, name, o.Spec.Selector, o.Spec.Template.Labels)
	case *apps.StatefulSet:
		s.pods = append(s.pods, pod{name, true, *o.Spec.Replicas, o.Spec.Template.Labels, o.Spec.Template.Spec})
		selects(t, name, o.Spec.Selector, o.Spec.Template.Labels)
	case *batch.Job:
		s.pods = append(s.pods, pod{name, false, 1, o.Spec.Template.Labels, o.Spec.Template.Spec})
	}
}

func selects(t *testing.T, name string, selector *meta.LabelSelector, of map[string]string) {
	t.Helper()
	is, err := meta.LabelSelectorAsSelector(selector)
	if err != nil || !is.Matches(labels.Set(of)) {
		t.Errorf("%s does not select its own pods: %v", name, err)
	}
}

func TestManifests(t *testing.T) {
	for _, name := range []string{"single", "split"} {
		t.Run(name, func(t *testing.T) {
			s := load(t, filepath.Join("../kubernetes", name))
			if len(s.pods) == 0 {
				t.Fatal("there are no pods")
			}
			for _, p := range s.pods {
				p.checkSecurity(t)
				p.checkLife(t)
				s.checkBudget(t, p)
			}
			s.checkServices(t)
			s.checkNetwork(t)
		})
	}
}

func (p pod) container(t *testing.T) core.Container {
	t.Helper()
	if len(p.spec.Containers) != 1 {
		t.Fatalf("%s: %d containers", p.owner, len(p.spec.Containers))
	}
	return p.spec.Containers[0]
}

// checkSecurity holds a pod to the restricted standard, and to a little more.
func (p pod) checkSecurity(t *testing.T) {
	t.Helper()
	c, s := p.container(t), p.spec.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: the pod is not held to the restricted standard", p.owner)
	}
	b := c.SecurityContext
	if b == nil || b.AllowPrivilegeEscalation == nil || *b.AllowPrivilegeEscalation || b.ReadOnlyRootFilesystem == nil || !*b.ReadOnlyRootFilesystem ||
		b.Capabilities == nil || !slices.Equal(b.Capabilities.Drop, []core.Capability{"ALL"}) || len(b.Capabilities.Add) > 0 {
		t.Errorf("%s: the container is not held to the restricted standard", p.owner)
	}
	if p.spec.AutomountServiceAccountToken == nil || *p.spec.AutomountServiceAccountToken {
		t.Errorf("%s: it has a token of the cluster, which it has no use for", p.owner)
	}
	r := c.Resources
	if r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero() || r.Limits.Memory().IsZero() {
		t.Errorf("%s: resources %v", p.owner, r)
	}
	for _, v := range p.spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
			t.Errorf("%s: volume %s may fill the node", p.owner, v.Name)
		}
	}
}

// checkLife looks at how a pod that serves begins and ends.
func (p pod) checkLife(t *testing.T) {
	t.Helper()
	if !p.lasting {
		return
	}
	c := p.container(t)
	for path, probe := range map[string]*core.Probe{"/startupz": c.StartupProbe, "/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != c.Ports[0].Name {
			t.Errorf("%s: no probe of %s", p.owner, path)
		}
	}
	// 15 seconds for requests, and a batch has to end.
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || p.spec.TerminationGracePeriodSeconds == nil || *p.spec.TerminationGracePeriodSeconds < 45 {
		t.Errorf("%s: it is cut off when it stops", p.owner)
	}
}

func (s *set) checkBudget(t *testing.T, p pod) {
	t.Helper()
	if p.replicas < 2 {
		return
	}
	for _, o := range s.objects {
		if b, ok := o.(*policy.PodDisruptionBudget); ok {
			if is, err := meta.LabelSelectorAsSelector(b.Spec.Selector); err == nil && is.Matches(labels.Set(p.labels)) {
				return
			}
		}
	}
	t.Errorf("%s: all of its pods may be evicted at once", p.owner)
}

// checkServices looks that every address leads to pods.
func (s *set) checkServices(t *testing.T) {
	t.Helper()
	for name, o := range s.objects {
		switch o := o.(type) {
		case *core.Service:
			if !slices.ContainsFunc(s.pods, func(p pod) bool { return labels.SelectorFromSet(o.Spec.Selector).Matches(labels.Set(p.labels)) }) {
				t.Errorf("%s selects no pod", name)
			}
		case *core.ConfigMap:
			for variable, address := range o.Data {
				host, ok := strings.CutPrefix(address, "http://")
				if ok && s.objects["Service "+strings.TrimSuffix(host, ":8080")] == nil {
					t.Errorf("%s: %s is %s, and there is no such service", name, variable, address)
				}
			}
		}
	}
	for _, p := range s.pods {
		for _, from := range p.container(t).EnvFrom {
			if from.ConfigMapRef != nil && s.objects["ConfigMap "+from.ConfigMapRef.Name] == nil {
				t.Errorf("%s: there is no ConfigMap %s", p.owner, from.ConfigMapRef.Name)
			}
		}
		mounted := map[string]bool{}
		for _, m := range p.container(t).VolumeMounts {
			mounted[m.MountPath] = true
		}
		if !mounted["/data"] || !mounted["/tmp"] {
			t.Errorf("%s: nothing can be written to /data or /tmp", p.owner)
		}
	}
}

// checkNetwork looks that what is not named is not let through.
func (s *set) checkNetwork(t *testing.T) {
	t.Helper()
	nothing, ok := s.objects["NetworkPolicy nothing"].(*networking.NetworkPolicy)
	if !ok || len(nothing.Spec.PodSelector.MatchLabels) > 0 || len(nothing.Spec.PolicyTypes) != 2 || len(nothing.Spec.Ingress)+len(nothing.Spec.Egress) > 0 {
		t.Error("no policy refuses what no other one names")
	}
	space, ok := s.objects["Namespace crossdock"].(*core.Namespace)
	if !ok || space.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Error("the namespace does not enforce the restricted standard")
	}
}

// TestAMisspeltFieldIsFound shows that the types refuse what they do not have.
func TestAMisspeltFieldIsFound(t *testing.T) {
	for _, wrong := range []string{"{ livenesProbe: {} }", "{ ports: [{ containerPort: '8080' }] }"} {
		document := fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\nspec: { template: { spec: { containers: [%s] } } }", wrong)
		if err := strict.UnmarshalStrict([]byte(document), objectOf("Deployment")); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
