"""The catalog: what can fail, who owns it, and the policies that answer. YAML in, typed values out; pure."""
