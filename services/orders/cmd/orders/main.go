// Command orders runs one instance of the orders service, configured by the environment.
package main

import (
	"ticketing/pkg/service"
	"ticketing/services/orders"
)

func main() { service.Main(orders.Name, orders.New) }
