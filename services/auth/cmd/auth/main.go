// Command auth runs one instance of the auth service, configured by the environment.
package main

import (
	"ticketing/pkg/service"
	"ticketing/services/auth"
)

func main() { service.Main(auth.Name, auth.New, service.WithoutBus) }
