// Command tickets runs one instance of the tickets service, configured by the environment.
package main

import (
	"ticketing/pkg/service"
	"ticketing/services/tickets"
)

func main() { service.Main(tickets.Name, tickets.New) }
