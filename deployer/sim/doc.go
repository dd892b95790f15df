// Package sim runs the real deployer against the fake fleet of package
// fleettest, in virtual time: scenarios, a crash before and after every single
// effect, and random schedules of faults.
//
//	go test ./deployer/sim -sim.n=10000              many random schedules, of the seeds from 1 on
//	go test ./deployer/sim -run Schedules -sim.n=1 -sim.seed=4711   one again
//
// Lives here: tests and what they share. May not live here: the fake.
package sim
