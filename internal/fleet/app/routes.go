package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/websocket"
)

// maxBody bounds what /echo takes, in bytes.
const maxBody = 16 << 20

// routes are the application's pages:
//
//	GET  /version          the version
//	GET  /up, /health      the health check
//	GET  /slow?ms=500      answers "done VERSION" after that time
//	POST /echo             answers its body
//	GET  /env?name=X       answers the variable's value, 404 if it is not set
//	GET  /headers          answers the request's own headers
//	GET  /file?path=/x     answers a file of the container
//	     /ws               a websocket that echoes each message
//	GET  /                 a sentence
func routes(k knobs) http.Handler {
	mux := http.NewServeMux()
	say := func(pattern, text string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) })
	}
	host, _ := os.Hostname() // shown only
	say("GET /version", k.version)
	say("GET /{$}", "Hello from "+k.version+" on "+host)
	health := up(k)
	mux.Handle("GET /up", health)
	mux.Handle("GET /health", health)
	mux.HandleFunc("GET /slow", slow(k.version))
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()       // else the rest of the body is dropped at the first write
		_, _ = io.Copy(w, http.MaxBytesReader(w, r.Body, maxBody)) // the client sees what is missing
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, r *http.Request) {
		value, ok := os.LookupEnv(r.FormValue("name"))
		if !ok {
			http.Error(w, "not set", http.StatusNotFound)
			return
		}
		fmt.Fprintln(w, value)
	})
	mux.HandleFunc("GET /headers", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Host: %s\nRemoteAddr: %s\n", r.Host, r.RemoteAddr)
		_ = r.Header.Write(w)
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, r.FormValue("path")) })
	mux.Handle("/ws", websocket.Handler(func(c *websocket.Conn) { _, _ = io.Copy(c, c) }))
	return mux
}

// up is the health check, well or badly behaved.
func up(k knobs) http.Handler {
	var asked atomic.Int64
	began := time.Now()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case k.sickAfter > 0 && time.Since(began) > k.sickAfter, k.health == "fail", k.health == "flap" && n%2 == 0:
			http.Error(w, "told to be unhealthy", http.StatusInternalServerError)
		case k.health == "hang":
			<-r.Context().Done()
		case k.health == "redirect":
			http.Redirect(w, r, "/version", http.StatusFound)
		case k.needs != "":
			http.ServeFile(w, r, k.needs)
		default:
			fmt.Fprintln(w, "OK")
		}
	})
}

func slow(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ms, err := strconv.Atoi(r.FormValue("ms"))
		if err != nil || ms < 0 {
			http.Error(w, "say ?ms=500", http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			fmt.Fprintln(w, "done", version)
		case <-r.Context().Done():
		}
	}
}

// health asks the application that runs in the same container.
func health(args []string) (code int) {
	path := "/up"
	if len(args) > 0 {
		path = args[0]
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "80"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+path, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_ = resp.Body.Close()
	fmt.Println(resp.Status)
	if resp.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
