// Package itself finds the program that runs here, for hosts to run it too.
//
// Lives here: where its files are. May not live here: bringing it anywhere
// (deployer/host/program).
package itself

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/fairlead-deploy/fairlead/deployer/host/program"
)

// Program returns this very program for hosts of its architecture, and the one
// that lies beside it for others, with the machine's CA roots.
func Program(arch string) (binary program.Content, roots []byte, err error) {
	file, err := os.Executable()
	if err != nil {
		return binary, nil, err
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != arch {
		file = filepath.Join(filepath.Dir(file), "fairlead-linux-"+arch)
	}
	if binary, err = program.OnDisk(file); err != nil {
		return binary, nil, fmt.Errorf("find the program for %s hosts: %w; put fairlead-linux-%s beside the fairlead program", arch, err, arch)
	}
	for _, at := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"} {
		if roots, err = os.ReadFile(at); err == nil {
			return binary, roots, nil
		}
	}
	return binary, nil, nil
}
