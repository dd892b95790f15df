package main

import (
	"fmt"
	"net"
)

// serveNames answers every question with "no such name". The fleet's own names
// are answered by the engine's resolver before; all others come here, and a
// quick no is better than a silence that costs every lookup 20 seconds.
func serveNames() error {
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	question := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(question)
		if err != nil {
			return fmt.Errorf("serve names: %w", err)
		}
		if n < 12 {
			continue
		}
		// RFC 1035 section 4.1.1: the question with QR set, and RCODE 3.
		question[2] |= 0x80
		question[3] = question[3]&0xf0 | 3
		_, _ = conn.WriteTo(question[:n], from) // whoever asked may be gone
	}
}
