"""Where the fields of an archive come from: folders, globs, manifests, object stores."""
