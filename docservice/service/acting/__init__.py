"""What a person may do: every call has a principal and checks its rights. `sign_in` finds out who that is."""
