package plan

import "fmt"

// refusal says why decisions cannot be carried out: a proxy cannot do what is
// asked of it, or is another one, or they would end, and perhaps
// take the name of, the container that Fairlead itself runs in. A program that
// stops its own container is not there to start the next.
func refusal(o Observed, todo []decision) string {
	for _, dec := range todo {
		if dec.cannot != "" {
			return dec.cannot
		}
		if why := o.Hosts[dec.unit.Host].Proxy.Contested(); why != "" && dec.unit.Route != nil {
			return dec.unit.Host + ": " + why
		}
		self := o.Hosts[dec.unit.Host].Self
		if self == "" {
			continue
		}
		for _, c := range dec.stale {
			if c.ID == self {
				return fmt.Sprintf("%s on %s is the container that Fairlead itself runs in, which it never replaces: "+
					"deploy it from another machine (`fairlead deploy`), or give it a service of its own", c.Name, dec.unit.Host)
			}
		}
	}
	return ""
}
