package systemd

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A Unit is what the service's unit depends on.
type Unit struct {
	Program string // absolute path of the fairlead program
	User    string // and group
	Config  string // absolute path of fairlead.yml
	DataDir string // absolute; where the service may write
}

// UnitName is the unit's file name.
const UnitName = "fairlead.service"

// String returns the unit's file. What the sandbox leaves: reading the system,
// writing in DataDir and /run/fairlead, and the network.
func (u Unit) String() string {
	return fmt.Sprintf(unit, quote(u.Program), quote(u.Config), u.User, u.User, quote(u.DataDir))
}

// quote makes one word of a unit file (systemd.service(5), "Command lines",
// systemd.unit(5), "Specifiers"). Callers pass absolute paths.
func quote(path string) string {
	path = strings.NewReplacer(`%`, `%%`, `$`, `$$`, `\`, `\\`, `"`, `\"`).Replace(filepath.Clean(path))
	if strings.ContainsAny(path, " \t'\"") {
		return `"` + path + `"`
	}
	return path
}

const unit = `[Unit]
Description=Fairlead: puts what is pushed to Git on all servers, or on none
Documentation=https://github.com/fairlead-deploy/fairlead
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=%s watch --config %s
ExecReload=/bin/kill -HUP $MAINPID
User=%s
Group=%s
# Secrets of fairlead.yml's { env: NAME }; mode 0600.
EnvironmentFile=-/etc/default/fairlead
Restart=always
RestartSec=2s
TimeoutStartSec=90s
TimeoutStopSec=90s
WatchdogSec=60s
MemoryMax=512M
TasksMax=512
LimitNOFILE=65536

RuntimeDirectory=fairlead
RuntimeDirectoryMode=0750
ReadWritePaths=%s
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
