package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"ticketing/pkg/bus"
)

// lagTable is one line per channel and durable; a channel without a durable has a line too.
func lagTable(channels []bus.Channel) string {
	if len(channels) == 0 {
		return "no channels: nothing was ever published or listened to\n"
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	// A table in memory: writing to it cannot fail.
	fmt.Fprintln(table, "CHANNEL\tGROUP\tDURABLE\tMEMBERS\tLAG\tLOST\tFIRST\tLAST")
	for _, c := range channels {
		if len(c.Durables) == 0 {
			fmt.Fprintf(table, "%s\t-\t-\t-\t-\t-\t%d\t%d\n", c.Name, c.FirstSeq, c.LastSeq)
		}
		for _, d := range c.Durables {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n",
				c.Name, d.Group, d.Name, d.Members, c.Lag(d), c.Lost(d), c.FirstSeq, c.LastSeq)
		}
	}
	table.Flush()
	return text.String()
}

type channelJSON struct {
	Channel  string        `json:"channel"`
	FirstSeq uint64        `json:"firstSequence"`
	LastSeq  uint64        `json:"lastSequence"`
	Messages uint64        `json:"messages"`
	Bytes    uint64        `json:"bytes"`
	Durables []durableJSON `json:"durables"`
}

type durableJSON struct {
	Group    string `json:"group"`
	Durable  string `json:"durable"`
	Members  int    `json:"members"`
	LastSent uint64 `json:"lastSent"`
	Pending  uint64 `json:"pending"`
	Lag      uint64 `json:"lag"`
	Lost     uint64 `json:"lost"`
}

// lagJSON is one line: an array of channels, empty rather than null where there are none.
func lagJSON(channels []bus.Channel) (string, error) {
	all := make([]channelJSON, 0, len(channels))
	for _, c := range channels {
		one := channelJSON{
			Channel: c.Name, FirstSeq: c.FirstSeq, LastSeq: c.LastSeq, Messages: c.Messages, Bytes: c.Bytes,
			Durables: make([]durableJSON, 0, len(c.Durables)),
		}
		for _, d := range c.Durables {
			one.Durables = append(one.Durables, durableJSON{
				Group: d.Group, Durable: d.Name, Members: d.Members,
				LastSent: d.LastSent, Pending: d.Pending, Lag: c.Lag(d), Lost: c.Lost(d),
			})
		}
		all = append(all, one)
	}
	line, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write the lag as JSON: %w", err)
	}
	return string(line) + "\n", nil
}
