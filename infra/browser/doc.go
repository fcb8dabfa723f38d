// Package browser drives a browser through the pages of the whole system, as two people see them. It has only tests,
// behind the build tag browser: `make test-browser` runs them, and needs chromium, node and npm.
package browser
