package certs_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/certs"
	"github.com/fairlead-deploy/fairlead/proxy/certs/acmetest"
)

func TestACertificateIsRenewedBeforeItsEnd(t *testing.T) {
	var keeper *certs.Keeper
	challenges := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !keeper.Challenge(w, r) {
			http.NotFound(w, r)
		}
	}))
	defer challenges.Close()
	port := challenges.Listener.Addr().(*net.TCPAddr).Port
	ca := acmetest.Start(t, acmetest.Options{HTTPPort: port, TLSPort: 1, Validity: 9 * time.Second})
	var err error
	keeper, err = certs.New(certs.Config{
		Folder: t.TempDir(), Directory: ca.Directory, Roots: ca.Roots, HTTPPort: port, HTTPSPort: 1, LookEvery: 100 * time.Millisecond, Log: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { ended <- keeper.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	keeper.Manage(map[string]bool{"shop.example.com": false})

	client, other := net.Pipe() // who the client is does not matter
	defer func() { _, _ = client.Close(), other.Close() }()
	// shown waits for a certificate with another serial number than the one before.
	shown := func(before string) (serial string, end time.Time) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			c, err := keeper.Certificate(&tls.ClientHelloInfo{ServerName: "shop.example.com", Conn: client, SupportedVersions: []uint16{tls.VersionTLS13}})
			if err == nil && c.Leaf.SerialNumber.String() != before {
				return c.Leaf.SerialNumber.String(), c.Leaf.NotAfter
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("no certificate after %q: %v", before, err)
			}
		}
	}
	first, end := shown("")
	if _, _ = shown(first); time.Now().After(end) {
		t.Errorf("renewed only after %s", end)
	}
}
