"""What people do with the connector, one module per noun or act: behind the command line and every other face.

Functions take texts and values, and give values; files, terminals and requests belong to the faces. `flow` alone puts
intake, pipeline and outbound together.
"""
