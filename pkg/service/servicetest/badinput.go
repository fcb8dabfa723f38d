package servicetest

import (
	"net/http"
	"strings"

	"ticketing/pkg/httpapi"
)

// BadBody is a body that no route takes, and the status it gets.
type BadBody struct {
	Name, Media, Body string
	Status            int
}

// BadBodies are bodies that are no JSON object in UTF-8 of at most 1 MiB. good is one that the route would
// take under the right content type.
func BadBodies(good string) []BadBody {
	return []BadBody{
		{"nothing", JSON, ``, http.StatusBadRequest},
		{"half an object", JSON, good[:len(good)-1], http.StatusBadRequest},
		{"an array", JSON, `[` + good + `]`, http.StatusBadRequest},
		{"null", JSON, `null`, http.StatusBadRequest},
		{"a string", JSON, `"title"`, http.StatusBadRequest},
		{"single quotes", JSON, strings.ReplaceAll(good, `"`, `'`), http.StatusBadRequest},
		{"two objects", JSON, good + good, http.StatusBadRequest},
		{"not UTF-8", JSON, "{\"x\":\"\xff\"," + good[1:], http.StatusBadRequest},
		{"deep nesting", JSON, `{"x":` + strings.Repeat(`[`, 100_000), http.StatusBadRequest},
		{"no content type", "", good, http.StatusUnsupportedMediaType},
		{"text", "text/plain", good, http.StatusUnsupportedMediaType},
		{"a form", "application/x-www-form-urlencoded", "title=concert", http.StatusUnsupportedMediaType},
		{"an unknown content type", "application/x-unknown", good, http.StatusUnsupportedMediaType},
		{"no content type at all", "json", good, http.StatusUnsupportedMediaType},
		{"another charset", JSON + "; charset=utf-16", good, http.StatusUnsupportedMediaType},
		{"over 1 MiB", JSON, strings.Repeat(" ", httpapi.MaxBody) + good, http.StatusRequestEntityTooLarge},
	}
}

// BadPaths are ways to write path, that of a list, which may mean it to a gateway and something else to a
// service. Each is 404.
func BadPaths(path string) []string {
	api, name, _ := strings.Cut(path[1:], "/")
	return []string{
		"/" + api + "/../" + api + "/" + name,
		"/" + api + "/" + name + "/../" + name,
		"/" + api + "/%2e%2e/" + api + "/" + name,
		"/" + api + "/%2E/" + name,
		"//" + api + "/" + name,
		"/" + api + "//" + name,
		"/" + api + "%2f" + name,
		"/" + api + `\` + name,
		"/" + api + "/%5c" + name,
		"/" + api + "/" + name + "%00",
		"/" + api + "/" + name + "%0d%0a",
		"/" + api + "/" + name + "/",
		"/" + api + "/" + name + "/../../etc/passwd",
		"/" + strings.ToUpper(api) + "/" + name,
		"/",
	}
}

// BadIDs are path segments that are no ids. Each is 400.
func BadIDs() []string {
	return []string{
		"1", "-1", "x", "null", "undefined", "65a1b2c3d4e5f60718293a4", "65a1b2c3d4e5f60718293a4b0",
		"65A1B2C3D4E5F60718293A4B", "65a1b2c3d4e5f60718293a4g", "%7B%22$ne%22:1%7D", strings.Repeat("a", 2000), "..a", "%20",
	}
}

// BadQuery is a query that no list takes, and the parameter at fault.
type BadQuery struct{ Query, Field string }

// BadQueries are queries of a list with a bad page. Each is 400.
func BadQueries() []BadQuery {
	return []BadQuery{
		{"limit=0", "limit"}, {"limit=-1", "limit"}, {"limit=201", "limit"}, {"limit=", "limit"}, {"limit=ten", "limit"},
		{"limit=1.5", "limit"}, {"limit=99999999999999999999", "limit"}, {"limit=1&limit=2", "limit"},
		{"after=", "after"}, {"after=1", "after"}, {"after=65A1B2C3D4E5F60718293A4B", "after"}, {"after[$gt]=&after=x", "after"},
		{"limit=%zz", ""}, {"limit=1;after=2", ""},
	}
}
