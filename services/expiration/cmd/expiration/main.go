// Command expiration runs one instance of the expiration service, configured by the environment.
package main

import (
	"ticketing/pkg/service"
	"ticketing/services/expiration"
)

func main() { service.Main(expiration.Name, expiration.New, service.WithoutSessions) }
