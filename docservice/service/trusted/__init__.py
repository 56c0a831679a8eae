"""What a trusted program may do: no principal, no checks of rights."""
