package ssh

import (
	"net"

	"golang.org/x/sys/unix"
)

// quick acknowledges at once what it reads. With only forwarded channels open
// sshd leaves Nagle's algorithm on and waits for our delayed acknowledgement:
// 40 ms per exchange. The kernel forgets the option, so each read renews it.
type quick struct{ *net.TCPConn }

func quickAck(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		return quick{tcp}
	}
	return c
}

// Read reads and acknowledges.
func (q quick) Read(p []byte) (int, error) {
	n, err := q.TCPConn.Read(p)
	if raw, rawErr := q.SyscallConn(); rawErr == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
		})
	}
	return n, err
}
