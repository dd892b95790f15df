package operation

// Eject leaves the service to Kamal: it is held, and its hosts get what Kamal's
// command line expects.
const Eject Verb = "eject"
