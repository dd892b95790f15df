package fleet

import (
	"context"
	"maps"
	"path/filepath"
)

// App is the built test application; see ./app for what it can do.
type App struct {
	// Binary is the path of the static program.
	Binary string
}

// BuildApp builds the test application into a folder.
func BuildApp(ctx context.Context, dir string) (App, error) {
	app := App{Binary: filepath.Join(dir, "app")}
	return app, goBuild(ctx, modulePath+"/internal/fleet/app", app.Binary)
}

// Image is the application as an image that answers version on port 80. knobs
// are the variables of ./app, baked into the image; nil is a well-behaved one.
func (a App) Image(version string, knobs map[string]string) Image {
	env := map[string]string{"VERSION": version}
	maps.Copy(env, knobs)
	return Image{Binary: a.Binary, Env: env, Ports: []string{"80/tcp"}}
}

// BuildTraefik builds the stand-in for Traefik into a folder, and returns where
// it is; see ./traefik for what it can do.
func BuildTraefik(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "traefik")
	return binary, goBuild(ctx, modulePath+"/internal/fleet/traefik", binary)
}
