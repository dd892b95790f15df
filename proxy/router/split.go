package router

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// rolloutCookie says, by its value, who a request is from (kamal-proxy's README, "rollout").
const rolloutCookie = "kamal-rollout"

// selects tells whether a request goes to the rollout targets: its cookie's value is in the list, or
// its bucket is below the percentage. A request without the cookie never does.
func selects(split control.Split, req *http.Request) bool {
	cookie, err := req.Cookie(rolloutCookie)
	if err != nil || cookie.Value == "" {
		return false
	}
	return slices.Contains(split.List, cookie.Value) || bucket(cookie.Value) < split.Percent*buckets/100
}

// buckets is how finely values are spread.
const buckets = 10_000

// bucket gives a value its place in [0, buckets). It is the same in every process and at every
// percentage, so that a growing rollout keeps those whom it has.
func bucket(value string) int {
	sum := sha256.Sum256([]byte(value))
	return int(binary.BigEndian.Uint64(sum[:8]) % buckets)
}

// choose returns the pool whose split the request is in, and the cookie that keeps its client there,
// nil where none is needed.
func (s *service) choose(req *http.Request) (*pool, *http.Cookie) {
	switch {
	case s.rollout == nil || s.split == nil:
		return s.active, nil
	case !s.split.Sticky:
		if selects(*s.split, req) {
			return s.rollout, nil
		}
		return s.active, nil
	}
	number, given := clientBucket(s.name, req), (*http.Cookie)(nil)
	if number < 0 {
		number = rand.IntN(clientBuckets)
		given = bucketCookie(s.name, number, req.TLS != nil)
	}
	if number < s.split.Percent {
		return s.rollout, given
	}
	return s.active, given
}

// clientBuckets is into how many a sticky split divides clients. That number is all that the cookie
// holds: a hundredth of all clients share it, so that it follows nobody around.
const clientBuckets = 100

// clientBucket reads which one a client was given; -1 is none, or nothing that this proxy would give.
func clientBucket(service string, req *http.Request) int {
	cookie, err := req.Cookie(bucketName(service))
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(cookie.Value)
	if err != nil || n < 0 || n >= clientBuckets || strconv.Itoa(n) != cookie.Value {
		return -1
	}
	return n
}

// bucketName is the cookie's, one per service: two of one site are tried out apart. A service may have
// any name, a cookie may not.
func bucketName(service string) string {
	sum := sha256.Sum256([]byte(service))
	return "fairlead-canary-" + hex.EncodeToString(sum[:4])
}

// bucketCookie lives as long as the browser runs. Nothing of it is kept here, so that it means the
// same after a restart, and to every proxy of a fleet.
func bucketCookie(service string, number int, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: bucketName(service), Value: strconv.Itoa(number), Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
}

// keep adds the cookie to an answer of a target, unless caches between here and the client may hand
// that answer to others: all of them would get into one bucket.
func (x *exchange) keep(answer http.Header) {
	if x.given == nil {
		return
	}
	control := strings.ToLower(strings.Join(answer.Values("Cache-Control"), ","))
	if strings.Contains(control, "public") || strings.Contains(control, "s-maxage") {
		return
	}
	answer.Add("Set-Cookie", x.given.String())
}
