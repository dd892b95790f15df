//go:build !linux

package ssh

import "net"

func quickAck(c net.Conn) net.Conn { return c }
