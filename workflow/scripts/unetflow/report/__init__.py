"""What people look at: tables, pictures, pages, the methods paragraph, the viewer."""
