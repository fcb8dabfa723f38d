package k8s

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// object is one document of a manifest as its API type.
type object interface {
	metav1.Object
	runtime.Object
}

// newDecoder returns one that knows the types the manifests use, and no field beyond theirs.
func newDecoder(t testing.TB) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, gatewayv1.Install,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
}

// decode reads all documents of a manifest. An error names the manifest, the document and its field.
func decode(d runtime.Decoder, name string, manifest []byte) (objects []object, err error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for i := 1; ; i++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: read document %d: %w", name, i, err)
		}
		decoded, _, err := d.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", name, i, err)
		}
		o, ok := decoded.(object)
		if !ok {
			return nil, fmt.Errorf("%s: document %d: a %T is not expected here", name, i, decoded)
		}
		objects = append(objects, o)
	}
}

// patchOperation is one of RFC 6902. Whether it fits is seen when kustomize applies it.
type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

func TestEveryDocumentIsOfItsType(t *testing.T) {
	d := newDecoder(t)
	for _, file := range yamlFiles(t) {
		t.Run(file, func(t *testing.T) {
			content := readFile(t, file)
			var err error
			switch {
			case filepath.Base(file) == kustomization:
				err = yaml.UnmarshalStrict(content, &types.Kustomization{})
			case bytes.Contains(content, []byte("\n- op: ")):
				err = yaml.UnmarshalStrict(content, &[]patchOperation{})
			default:
				_, err = decode(d, file, content)
			}
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
		})
	}
}

func TestMistakesAreToldWithFileAndField(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
	for _, tt := range []struct {
		name, manifest, want string
	}{
		{"unknown field", service + "spec: {ports: [{port: 1, targetport: 2}]}",
			`x.yaml: document 1: strict decoding error: unknown field "spec.ports[0].targetport"`},
		{"field given twice", service + "spec: {type: ClusterIP, type: NodePort}",
			"x.yaml: document 1: strict decoding error: yaml: unmarshal errors:\n  line 4: key \"type\" already set"},
		{"unknown kind", "apiVersion: v1\nkind: Deployment\nmetadata: {name: a}",
			`x.yaml: document 1: no kind "Deployment" is registered for version "v1"`},
		{"wrong type, in the second document", service + "---\n" + service + "spec: {ports: 80}",
			`x.yaml: document 2: json: cannot unmarshal number into Go struct field ServiceSpec.spec.ports`},
		{"no quantity", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\n" +
			"spec: {resources: {requests: {storage: much}}}", "x.yaml: document 1: quantities must match"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decode(newDecoder(t), "x.yaml", []byte(tt.manifest))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("decode = %v, want %s...", err, tt.want)
			}
		})
	}
}

// yamlFiles are all manifests, as paths from here.
func yamlFiles(t testing.TB) (files []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".yaml" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
