// Command web runs one instance of the web service, configured by the environment.
package main

import (
	"ticketing/pkg/service"
	"ticketing/services/web"
)

func main() {
	service.Main(web.Name, web.New, service.WithoutStore, service.WithoutBus, service.WithoutSessions)
}
