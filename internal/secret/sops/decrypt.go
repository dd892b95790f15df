package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sealed is an encrypted value.
var sealed = regexp.MustCompile(`^ENC\[AES256_GCM,data:([^,]*),iv:([^,]+),tag:([^,]+),type:(\w+)\]$`)

// onlyEncrypted begins the code of a file where it covers encrypted values
// only (mac_only_encrypted): the SHA-256 of "sops".
const onlyEncrypted = "8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69"

// Decrypt returns all values, in the order of the file. The error says that
// the key is not the file's, or that the file was changed without it.
func (f *File) Decrypt(key []byte) ([]Secret, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != 32 {
		return nil, errors.New("its data key has not 32 bytes")
	}
	encrypted, err := f.rule()
	if err != nil {
		return nil, err
	}
	sum, all := sha512.New(), true
	if f.meta["mac_only_encrypted"] == "true" {
		start, _ := hex.DecodeString(onlyEncrypted)
		sum.Write(start)
		all = false
	}
	out := make([]Secret, 0, len(f.leaves))
	for _, l := range f.leaves {
		is := encrypted(l.keys)
		if is {
			if l.hashed, err = open(block, l.text, strings.Join(l.keys, ":")+":"); err != nil {
				return nil, fmt.Errorf("decrypt %s: %w", strconv.Quote(l.name), err)
			}
			l.text = plain(l)
		}
		if is || all {
			sum.Write([]byte(l.hashed))
		}
		out = append(out, Secret{Name: l.name, Plain: l.text})
	}
	return out, f.verify(block, fmt.Sprintf("%X", sum.Sum(nil)))
}

// plain is a decrypted value for people: sops writes booleans as Python does.
func plain(l leaf) string {
	if strings.HasSuffix(l.text, ",type:bool]") {
		return strings.ToLower(l.hashed)
	}
	return l.hashed
}

// verify compares the code over all values with the file's.
func (f *File) verify(block cipher.Block, sum string) error {
	at, err := time.Parse(time.RFC3339, f.meta["lastmodified"])
	if err != nil {
		return errors.New("its sops.lastmodified is no time")
	}
	want, err := open(block, f.meta["mac"], at.Format(time.RFC3339))
	if err != nil {
		return fmt.Errorf("decrypt its sops.mac: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(sum)) != 1 {
		return errors.New("it was changed by something other than sops: its sops.mac does not fit its values; change it with `sops FILE`")
	}
	return nil
}

// open decrypts one value, which must stand where it was encrypted for. The
// empty text is never encrypted.
func open(block cipher.Block, text, place string) (string, error) {
	if text == "" {
		return "", nil
	}
	m := sealed.FindStringSubmatch(text)
	if m == nil {
		return "", errors.New("it is not encrypted, and should be; change the file with `sops FILE`")
	}
	var parts [3][]byte
	for i := range parts {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(m[i+1]); err != nil {
			return "", errors.New("it is damaged: no base64")
		}
	}
	data, iv, tag := parts[0], parts[1], parts[2]
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil || len(tag) != gcm.Overhead() {
		return "", errors.New("it is damaged")
	}
	plain, err := gcm.Open(nil, iv, append(data, tag...), []byte(place))
	if err != nil {
		return "", errors.New("the data key does not fit it, or it was moved or changed")
	}
	return string(plain), nil
}

// rule tells which keys' values the file says are encrypted. As in sops, a
// later kind of rule overrides those before it.
func (f *File) rule() (func(keys []string) bool, error) {
	var patterns [2]*regexp.Regexp
	for i, name := range []string{"unencrypted_regex", "encrypted_regex"} {
		if f.meta[name] == "" {
			continue
		}
		var err error
		if patterns[i], err = regexp.Compile(f.meta[name]); err != nil {
			return nil, errors.New("its sops." + name + " is no pattern")
		}
	}
	suffixes := [2]string{f.meta["unencrypted_suffix"], f.meta["encrypted_suffix"]}
	return func(keys []string) bool {
		is := !has(keys, suffixed(suffixes[0]))
		if suffixes[1] != "" {
			is = has(keys, suffixed(suffixes[1]))
		}
		if patterns[0] != nil && has(keys, patterns[0].MatchString) {
			is = false
		}
		if patterns[1] != nil {
			is = has(keys, patterns[1].MatchString)
		}
		return is
	}, nil
}

func suffixed(suffix string) func(string) bool {
	return func(key string) bool { return suffix != "" && strings.HasSuffix(key, suffix) }
}

func has(keys []string, is func(string) bool) bool {
	for _, key := range keys {
		if is(key) {
			return true
		}
	}
	return false
}
