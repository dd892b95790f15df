package main

// deployYML is the file that says what runs.
func deployYML(g ground, version string) string {
	servers := ""
	for _, s := range g.servers() {
		servers += "    - " + s.address + "\n"
	}
	return `service: ` + service + `
image: ` + service + `:` + version + `
registry:
  server: ` + g.registry() + `
servers:
  web:
` + servers + `env:
  secret:
    - SECRET_KEY_BASE
proxy:
  app_port: 80
  healthcheck:
    path: /up
    interval: 1
    timeout: 2
` + g.proxyRun() + `deploy_timeout: 10
drain_timeout: 10
ssh:
  user: root
x-fairlead:
  window: 10s
`
}
